"""How much of the objective's variation each parameter explains by itself."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.tuning.bayesian import Observation
from sagebrush.tuning.encoding import Encoding
from sagebrush.tuning.gaussian_process import GaussianProcess, Hyperparameters, Priors, fit
from sagebrush.tuning.outputs import standardised
from sagebrush.tuning.spaces import Space

_SAMPLE = 4096
_BINS = 16
_MOST_FITTED = 400
LEAST_OBSERVATIONS = 6


def parameter_importance(
    space: Space, observed: Sequence[Observation], seed: int = 0
) -> dict[str, float]:
    """First-order Sobol indices of the surrogate's mean: shares of its variance, each in [0, 1].

    What parameters do only together is in none of them, so they add up to at most about 1. Empty
    for fewer than `LEAST_OBSERVATIONS` observations. Source: Sobol, *Sensitivity Estimates for
    Nonlinear Mathematical Models*, 1993.
    """
    if len(observed) < LEAST_OBSERVATIONS or not space.parameters:
        return {}
    with single_threaded_blas():
        encoding = Encoding(space)
        process = _process(encoding, observed[-_MOST_FITTED:])
        sobol = qmc.Sobol(len(space.parameters), scramble=True, rng=np.random.default_rng(seed))
        cube = sobol.random(_SAMPLE)
        mean = process.predict(encoding.from_cube(cube))[0][:, 0]
    total = float(mean.var())
    shares: dict[str, float] = {}
    for column, parameter in enumerate(space.parameters):
        order = np.argsort(cube[:, column], kind="stable")
        effect = mean[order].reshape(_BINS, -1).mean(axis=1)
        shares[parameter.name] = min(float(effect.var()) / total, 1.0) if total else 0.0
    return shares


def _process(encoding: Encoding, observed: Sequence[Observation]) -> GaussianProcess:
    X = encoding.encode([each.configuration for each in observed])
    y = standardised(np.array([each.value for each in observed]))
    size = X.shape[1]
    priors = Priors(lengthscale_mean=float(np.log(0.5 * np.sqrt(size))))
    start = Hyperparameters(np.full(size, priors.lengthscale_mean), 0.0, -5.0, np.zeros((2, size)))
    best = fit(X, y, encoding.categorical, priors, [start])[0][1]
    return GaussianProcess(X, y, encoding.categorical, best)
