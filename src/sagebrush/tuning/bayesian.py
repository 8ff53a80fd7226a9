"""Bayesian optimisation: a surrogate of the objective says where an observation promises most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.tuning.acquisition import Acquisition
from sagebrush.tuning.encoding import Encoding
from sagebrush.tuning.gaussian_process import (
    Flags,
    Floats,
    GaussianProcess,
    Hyperparameters,
    Posterior,
    Priors,
    fit,
)
from sagebrush.tuning.maximisation import maximise
from sagebrush.tuning.outputs import standardised
from sagebrush.tuning.preference import Preference, drawn_inwards
from sagebrush.tuning.slice_sampling import slice_sampled
from sagebrush.tuning.spaces import Configuration, Space, Value

Indices = NDArray[np.intp]

_MOST_FITTED = 250
_MOST_MODELLED = 1500
_FANTASIES = 8
_FIT_PERIOD = 4
"""Every so many suggestions the fit starts from scratch, too, in case it is caught in a corner."""
_DRAW_PERIOD = 3
_DRAWS, _UPDATES_PER_DRAW = 3, 8
_UNBIASED_PERIOD = 6
"""Every so many suggestions one goes where the process promises most, be it at the edge."""
# What chains move by: about the deviations of log lengthscales, signal, noise and warps.
_LENGTHSCALE_WIDTH, _SIGNAL_WIDTH, _NOISE_WIDTH, _WARP_WIDTH = 0.5, 0.5, 1.0, 0.3


@dataclass(frozen=True, slots=True)
class Observation:
    """A configuration and its objective, of which less is better."""

    configuration: Configuration
    value: float


class BayesianSearch:
    """Suggests configurations one at a time; remembers its last fit to start the next one from.

    ``first`` observations are spread over the space before any surrogate is asked. Of any
    ``draw_period`` suggestions one averages the promise over hyperparameters drawn from their
    posterior instead of taking the likeliest: always drawing is slower to close in on a minimum,
    never drawing is sometimes caught beside it. 0 means never.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        first: int | None = None,
        draw_period: int = _DRAW_PERIOD,
    ) -> None:
        self._encoding = Encoding(space)
        self._seed = seed
        dimensions = len(space.parameters)
        self._first = first if first is not None else min(10, 3 + dimensions)
        self._draw_period = draw_period
        self._last: list[Hyperparameters] = []

    def suggest(
        self,
        observed: Sequence[Observation],
        pending: Sequence[Configuration] = (),
        failed: Sequence[Configuration] = (),
    ) -> dict[str, Value]:
        """The next configuration to try while ``pending`` ones are still being tried.

        ``failed`` ones came to nothing: they count as bad as the worst that was observed, so that
        the search keeps away from where things fail, but say nothing about how smooth it is.
        """
        known = len(observed) + len(pending) + len(failed)
        rng = np.random.default_rng([self._seed, known])
        if known < self._first or not observed:
            return self._encoding.decode(self._spread(known))
        # Two threads for each small matrix cost more than they save.
        with single_threaded_blas():
            return self._best(observed, [*pending], [*failed], rng)

    def _best(
        self,
        observed: Sequence[Observation],
        pending: list[Configuration],
        failed: list[Configuration],
        rng: np.random.Generator,
    ) -> dict[str, Value]:
        encoding = self._encoding
        X = encoding.encode([each.configuration for each in observed])
        y = standardised(np.array([each.value for each in observed]))
        lost, waiting = encoding.encode(failed), encoding.encode(pending)
        settings = self._hyperparameters(X, y, rng)
        rows = _kept(y, _MOST_MODELLED, rng)
        places = np.vstack([X[rows], lost])
        values = np.concatenate([y[rows], np.full(len(lost), y.max())])
        processes = [
            GaussianProcess(places, values, encoding.categorical, each) for each in settings
        ]
        if len(waiting):
            normals = rng.normal(size=(_FANTASIES, len(waiting)))
            processes = [process.conditioned(waiting, normals) for process in processes]
        centres = X[np.argsort(y, kind="stable")[:5]]
        preference = None
        if (len(observed) + len(pending) + 1) % _UNBIASED_PERIOD:
            preference = Preference(~encoding.categorical, centres[0], len(observed))
        best = maximise(Acquisition(processes, preference), encoding, centres, rng)
        taken = {tuple(row) for row in np.vstack([X, lost, waiting]).round(9).tolist()}
        for _, point in best:
            if tuple(point.round(9).tolist()) not in taken:
                return encoding.decode(point)
        return self._unseen(taken, rng)

    def _spread(self, index: int) -> Floats:
        """The point of that number in a scrambled Sobol sequence, drawn inwards."""
        size = len(self._encoding.space.parameters)
        sobol = qmc.Sobol(size, scramble=True, rng=np.random.default_rng(self._seed))
        if index:
            sobol.fast_forward(index)
        cube = drawn_inwards(sobol.random(1), ~self._encoding.categorical)
        return np.asarray(self._encoding.from_cube(cube)[0])

    def _unseen(self, taken: set[tuple[float, ...]], rng: np.random.Generator) -> dict[str, Value]:
        """A random point that was not tried; any if all of a thousand were."""
        size = len(self._encoding.space.parameters)
        points = self._encoding.from_cube(rng.random((1000, size)))
        for point in points:
            if tuple(point.round(9).tolist()) not in taken:
                return self._encoding.decode(point)
        return self._encoding.decode(points[0])

    def _hyperparameters(
        self, X: Floats, y: Floats, rng: np.random.Generator
    ) -> list[Hyperparameters]:
        """The likeliest ones, and draws when it is their turn.

        Many observations leave so little doubt about them that drawing is not worth its time.
        """
        categorical = self._encoding.categorical
        size = X.shape[1]
        priors = Priors(lengthscale_mean=float(np.log(0.5 * np.sqrt(size))))
        rows = _kept(y, _MOST_FITTED, rng)
        default = Hyperparameters(
            np.full(size, priors.lengthscale_mean), 0.0, -7.0, np.zeros((2, size))
        )
        afresh = len(y) % _FIT_PERIOD == 0 or not self._last
        starts = [*self._last, default] if afresh else self._last
        best = fit(X[rows], y[rows], categorical, priors, starts)[0][1]
        self._last = [best]
        if not self._draw_period or len(y) % self._draw_period or len(y) > _MOST_FITTED:
            return [best]
        posterior = Posterior(X[rows], y[rows], categorical, priors)
        return [best, *_drawn(posterior, best, categorical, rng)]


def _drawn(
    posterior: Posterior, best: Hyperparameters, categorical: Flags, rng: np.random.Generator
) -> list[Hyperparameters]:
    """Hyperparameters along a Markov chain that starts from the likeliest ones."""
    size = len(categorical)
    warps = np.where(categorical, 0.0, _WARP_WIDTH)
    widths = np.concatenate(
        [np.full(size, _LENGTHSCALE_WIDTH), [_SIGNAL_WIDTH, _NOISE_WIDTH], warps, warps]
    )
    point, draws = best.packed(), []
    for _ in range(_DRAWS):
        widened = widths / np.sqrt(len(widths))
        point = slice_sampled(posterior.logarithm, point, widened, _UPDATES_PER_DRAW, rng)
        draws.append(Hyperparameters.unpacked(point))
    return draws


def _kept(y: Floats, most: int, rng: np.random.Generator) -> Indices:
    """Which observations are worked with: the best and a random part of the others."""
    if len(y) <= most:
        return np.arange(len(y))
    order = np.argsort(y, kind="stable")
    half = most // 2
    rest = rng.choice(order[half:], most - half, replace=False)
    return np.sort(np.concatenate([order[:half], rest]))
