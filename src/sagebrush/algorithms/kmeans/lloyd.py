"""Lloyd's iteration on few weighted points, and k-means++ seeding."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def squared_distances(points: Doubles, centers: Doubles) -> Doubles:
    """|p_i - c_j|^2 for all pairs, shape (points, centres), never negative."""
    distances = (
        np.einsum("ij,ij->i", points, points)[:, None]
        - 2.0 * (points @ centers.T)
        + np.einsum("ij,ij->i", centers, centers)
    )
    return np.asarray(np.maximum(distances, 0.0))


def kmeans_plus_plus(
    points: Doubles,
    count: int,
    rng: np.random.Generator,
    weights: Doubles | None = None,
    hurried: Callable[[], bool] = lambda: False,
) -> Doubles:
    """``count`` of the points, each drawn with probability proportional to w * D^2.

    D is the distance to the nearest point drawn before. For each place 2 + ln(count) candidates
    are drawn and the one that lowers the total most is kept (the greedy variant that the authors
    of k-means++ recommend). Points at distance zero are drawn only when nothing else is left.
    ``hurried`` is asked before each draw; once it says yes the places left get the points that
    are next in a random order, whatever their distance.
    Shapes: points (n, d), weights (n,), result (count, d).
    """
    mass = np.ones(points.shape[0]) if weights is None else weights
    candidates = 2 + int(np.log(count))
    norms = np.einsum("ij,ij->i", points, points)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = _draw(mass, 1, rng)[0]
    nearest = _distances_to(points, norms, chosen[:1])[0]
    for index in range(1, count):
        if hurried():
            others = np.setdiff1d(np.arange(points.shape[0]), chosen[:index])
            chosen[index:] = rng.choice(others, size=count - index, replace=False)
            break
        drawn = _draw(nearest * mass, candidates, rng)
        distances = np.minimum(_distances_to(points, norms, drawn), nearest)
        best = int((distances @ mass).argmin())
        chosen[index], nearest = drawn[best], distances[best]
    return points[chosen]


def _distances_to(points: Doubles, norms: Doubles, chosen: NDArray[np.int64]) -> Doubles:
    """Squared distances of the chosen points to all, shape (chosen, n)."""
    distances = norms - 2.0 * (points[chosen] @ points.T) + norms[chosen, None]
    np.maximum(distances, 0.0, out=distances)
    distances[np.arange(chosen.size), chosen] = 0.0
    return np.asarray(distances)


def _draw(mass: Doubles, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    cumulative = np.cumsum(mass)
    if cumulative[-1] <= 0.0:
        return rng.integers(mass.shape[0], size=count)
    drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.asarray(np.minimum(drawn, mass.shape[0] - 1))


def weighted_lloyd(
    points: Doubles,
    weights: Doubles,
    k: int,
    *,
    rng: np.random.Generator,
    plus_plus: bool,
    max_iterations: int,
    tolerance: float,
    hurried: Callable[[], bool] = lambda: False,
) -> tuple[float, Doubles]:
    """The weighted mean squared distance reached and the (k, d) centres.

    Stops when the loss falls by less than ``tolerance`` of itself, or when it is ``hurried``. A
    centre without points moves to the point that costs most.
    """
    if plus_plus:
        centers = kmeans_plus_plus(points, k, rng, weights, hurried)
    else:
        centers = points[rng.choice(points.shape[0], size=k, replace=False)]
    nearest, cost = _assign(points, weights, centers)
    for _ in range(max_iterations):
        if hurried():
            break
        centers = _means(points, weights, nearest, cost, k)
        previous = cost.sum()
        nearest, cost = _assign(points, weights, centers)
        if previous - cost.sum() <= tolerance * previous:
            break
    return float(cost.sum() / weights.sum()), centers


def _assign(
    points: Doubles, weights: Doubles, centers: Doubles
) -> tuple[NDArray[np.int64], Doubles]:
    """Each point's nearest centre, and its weighted squared distance to it."""
    distances = squared_distances(points, centers)
    nearest = distances.argmin(axis=1)
    return nearest, distances[np.arange(points.shape[0]), nearest] * weights


def _means(
    points: Doubles, weights: Doubles, nearest: NDArray[np.int64], cost: Doubles, k: int
) -> Doubles:
    membership = np.zeros((k, points.shape[0]))
    membership[nearest, np.arange(points.shape[0])] = weights
    mass = membership.sum(axis=1)
    empty = np.flatnonzero(mass == 0)
    centers = (membership @ points) / np.where(mass == 0, 1.0, mass)[:, None]
    if empty.size:
        centers[empty] = points[np.argsort(cost)[::-1][: empty.size]]
    return centers
