"""Bayesian optimisation: a surrogate of the objective says where an observation promises most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc, yeojohnson

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.tuning.acquisition import Acquisition
from sagebrush.tuning.encoding import Encoding
from sagebrush.tuning.gaussian_process import (
    Floats,
    GaussianProcess,
    Hyperparameters,
    Priors,
    fit,
)
from sagebrush.tuning.maximisation import maximise
from sagebrush.tuning.spaces import Configuration, Space, Value

_MOST_FITTED = 250
_FANTASIES = 8
_FAR_OUT = 100.0
_LEAST_BENT = 8


@dataclass(frozen=True, slots=True)
class Observation:
    """A configuration and its objective, of which less is better."""

    configuration: Configuration
    value: float


class BayesianSearch:
    """Suggests configurations one at a time; remembers its last fit to start the next one from.

    ``first`` observations are spread over the space before any surrogate is asked.
    """

    def __init__(self, space: Space, seed: int = 0, first: int | None = None) -> None:
        self._encoding = Encoding(space)
        self._seed = seed
        dimensions = len(space.parameters)
        self._first = first if first is not None else min(10, 3 + dimensions)
        self._last: list[Hyperparameters] = []

    def suggest(
        self, observed: Sequence[Observation], pending: Sequence[Configuration] = ()
    ) -> dict[str, Value]:
        """The next configuration to try while ``pending`` ones are still being tried."""
        known = len(observed) + len(pending)
        rng = np.random.default_rng([self._seed, known])
        if known < self._first or not observed:
            return self._encoding.decode(self._spread(known))
        # Two threads for each small matrix cost more than they save.
        with single_threaded_blas():
            return self._best(observed, pending, rng)

    def _best(
        self,
        observed: Sequence[Observation],
        pending: Sequence[Configuration],
        rng: np.random.Generator,
    ) -> dict[str, Value]:
        X = self._encoding.encode([each.configuration for each in observed])
        y = standardised(np.array([each.value for each in observed]))
        processes = self._processes(X, y, rng)
        waiting = self._encoding.encode(list(pending))
        if len(waiting):
            normals = rng.normal(size=(_FANTASIES, len(waiting)))
            processes = [process.conditioned(waiting, normals) for process in processes]
        centres = X[np.argsort(y, kind="stable")[:5]]
        best = maximise(Acquisition(processes), self._encoding, centres, rng)
        taken = {tuple(row) for row in np.vstack([X, waiting]).round(9).tolist()}
        for _, point in best:
            if tuple(point.round(9).tolist()) not in taken:
                return self._encoding.decode(point)
        return self._unseen(taken, rng)

    def _spread(self, index: int) -> Floats:
        """The point of that number in a scrambled Sobol sequence."""
        size = len(self._encoding.space.parameters)
        sobol = qmc.Sobol(size, scramble=True, rng=np.random.default_rng(self._seed))
        if index:
            sobol.fast_forward(index)
        return np.asarray(self._encoding.from_cube(sobol.random(1))[0])

    def _unseen(self, taken: set[tuple[float, ...]], rng: np.random.Generator) -> dict[str, Value]:
        """A random point that was not tried; any if all of a thousand were."""
        size = len(self._encoding.space.parameters)
        points = self._encoding.from_cube(rng.random((1000, size)))
        for point in points:
            if tuple(point.round(9).tolist()) not in taken:
                return self._encoding.decode(point)
        return self._encoding.decode(points[0])

    def _processes(self, X: Floats, y: Floats, rng: np.random.Generator) -> list[GaussianProcess]:
        encoding = self._encoding
        size = X.shape[1]
        priors = Priors(lengthscale_mean=float(np.log(0.5 * np.sqrt(size))))
        rows = self._fitted_rows(y, rng)
        default = Hyperparameters(
            np.full(size, priors.lengthscale_mean), 0.0, -7.0, np.zeros((2, size))
        )
        starts = [*self._last, default] if len(y) % 4 == 0 or not self._last else self._last
        fits = fit(X[rows], y[rows], encoding.categorical, priors, starts)
        self._last = [fits[0][1]]
        return [GaussianProcess(X, y, encoding.categorical, self._last[0])]

    def _fitted_rows(self, y: Floats, rng: np.random.Generator) -> np.ndarray:
        """Which observations the hyperparameters are fitted to: the best and a random part."""
        if len(y) <= _MOST_FITTED:
            return np.arange(len(y))
        order = np.argsort(y, kind="stable")
        half = _MOST_FITTED // 2
        rest = rng.choice(order[half:], _MOST_FITTED - half, replace=False)
        return np.sort(np.concatenate([order[:half], rest]))


def standardised(values: Floats) -> Floats:
    """Values with mean 0 and variance 1, bent towards a normal distribution, in the same order.

    Those very far out count as merely far out.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    reach = _FAR_OUT * (high - low)
    if reach > 0.0:
        values = np.clip(values, middle - reach, middle + reach)
    else:
        values = np.sign(values - middle)
    scaled = _scaled(values)
    if len(values) >= _LEAST_BENT and reach > 0.0:
        scaled = _scaled(yeojohnson(scaled)[0])
    return scaled


def _scaled(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread else np.zeros_like(values))
