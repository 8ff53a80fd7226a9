"""Where an acquisition is largest: many candidates, then climbing from the best of them."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import qmc

from sagebrush.tuning.acquisition import Acquisition
from sagebrush.tuning.encoding import Encoding
from sagebrush.tuning.gaussian_process import Floats

_SPREAD_CANDIDATES = 512
_NEAR_CANDIDATES = 48
_NEAR_DEVIATIONS = (0.1, 0.02, 0.004)
_MOVED_DIMENSIONS = 8.0
_CLIMBS = 4
_CLIMB_ITERATIONS = 30
_CLIMB_TOLERANCE = 1e-7
_ROUNDS = 2


def maximise(
    acquisition: Acquisition, encoding: Encoding, centres: Floats, rng: np.random.Generator
) -> list[tuple[float, Floats]]:
    """Local maxima with their values, the best first.

    ``centres`` (k, D) are points near which it is worth looking: the best that were observed.
    """
    candidates = np.vstack([_spread(encoding, rng), _near(encoding, centres, rng)])
    values = acquisition(candidates)
    order = np.argsort(-values, kind="stable")
    starts = _apart(candidates, order)
    heights, tops = _climb(acquisition, encoding, candidates[starts], values[starts])
    found = list(zip(heights.tolist(), tops, strict=True))
    found.extend((float(values[index]), candidates[index]) for index in order[:64])
    return sorted(found, key=lambda each: -each[0])


def _spread(encoding: Encoding, rng: np.random.Generator) -> Floats:
    size = len(encoding.space.parameters)
    sobol = qmc.Sobol(size, scramble=True, rng=rng)
    return encoding.from_cube(sobol.random(_SPREAD_CANDIDATES))


def _near(encoding: Encoding, centres: Floats, rng: np.random.Generator) -> Floats:
    """Normal steps away from each centre, in a few dimensions at a time when there are many."""
    size = centres.shape[1]
    chance = min(1.0, _MOVED_DIMENSIONS / size)
    drawn = []
    for centre in centres:
        for deviation in _NEAR_DEVIATIONS:
            count = _NEAR_CANDIDATES // len(_NEAR_DEVIATIONS)
            moved = rng.random((count, size)) < chance
            points = np.clip(centre + deviation * moved * rng.normal(size=(count, size)), 0.0, 1.0)
            for column in np.flatnonzero(~encoding.smooth):
                points[:, column] = centre[column]
                steps = encoding.steps(int(column))
                jumps = rng.random(count) < 0.3
                points[jumps, column] = rng.choice(steps, int(jumps.sum()))
            drawn.append(points)
    return encoding.snapped(np.vstack(drawn))


def _apart(candidates: Floats, order: np.ndarray) -> list[int]:
    """The best candidates of which none is next to a better one."""
    chosen: list[int] = []
    for index in order[:200].tolist():
        point = candidates[index]
        if all(np.abs(candidates[other] - point).max() > 0.05 for other in chosen):
            chosen.append(index)
        if len(chosen) == _CLIMBS:
            break
    return chosen


def _climb(
    acquisition: Acquisition, encoding: Encoding, points: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """Upwards in the smooth dimensions, then in steps in the others, until neither helps."""
    for _ in range(_ROUNDS):
        before = values.max()
        values, points = _climb_smoothly(acquisition, encoding, points, values)
        if encoding.smooth.all():
            break
        values, points = _climb_in_steps(acquisition, encoding, points, values)
        if values.max() <= before + 1e-9:
            break
    return values, points


def _climb_smoothly(
    acquisition: Acquisition, encoding: Encoding, points: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """All points at once, as one problem: their sum is largest where each is."""
    smooth = encoding.smooth
    if not smooth.any():
        return values, points

    def downwards(coordinates: Floats) -> tuple[float, Floats]:
        moved = points.copy()
        moved[:, smooth] = coordinates.reshape(len(points), -1)
        heights, slopes = acquisition.with_gradients(moved)
        return -float(heights.sum()), -slopes[:, smooth].reshape(-1)

    start = points[:, smooth].reshape(-1)
    result = minimize(
        downwards,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 1.0)] * len(start),
        options={"maxiter": _CLIMB_ITERATIONS, "ftol": _CLIMB_TOLERANCE},
    )
    moved = points.copy()
    moved[:, smooth] = result.x.reshape(len(points), -1)
    return _better(acquisition, points, values, encoding.snapped(moved))


def _climb_in_steps(
    acquisition: Acquisition, encoding: Encoding, points: Floats, values: Floats
) -> tuple[Floats, Floats]:
    """The best change of one stepped dimension of each point."""
    around = np.concatenate([_neighbours(encoding, point)[None] for point in points])
    heights = acquisition(around.reshape(-1, points.shape[1])).reshape(len(points), -1)
    best = heights.argmax(axis=1)
    every = np.arange(len(points))
    higher = heights[every, best] > values
    return (
        np.where(higher, heights[every, best], values),
        np.where(higher[:, None], around[every, best], points),
    )


def _neighbours(encoding: Encoding, point: Floats) -> Floats:
    neighbours = []
    for column in np.flatnonzero(~encoding.smooth):
        steps = encoding.steps(int(column))
        moved = np.repeat(point[None], len(steps), axis=0)
        moved[:, column] = steps
        neighbours.append(moved)
    return np.vstack(neighbours)


def _better(
    acquisition: Acquisition, points: Floats, values: Floats, moved: Floats
) -> tuple[Floats, Floats]:
    """Of each pair of points the higher one."""
    reached = acquisition(moved)
    higher = reached > values
    return np.where(higher, reached, values), np.where(higher[:, None], moved, points)
