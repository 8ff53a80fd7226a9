"""How much a point promises: the logarithm of the expected improvement on the best so far.

The logarithm keeps its gradient where the improvement itself is too small to be a number: Ament et
al., *Unexpected Improvements to Expected Improvement for Bayesian Optimization*, 2023.
"""

import numpy as np
from scipy.special import erfcx, log_ndtr

from sagebrush.tuning.gaussian_process import Floats, GaussianProcess
from sagebrush.tuning.preference import Preference

_HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
_HALF_LOG_HALF_PI = 0.5 * float(np.log(0.5 * np.pi))
_FAR = -1e6


def log_improvement(z: Floats) -> Floats:
    """log(phi(z) + z Phi(z)), the expected improvement of a standard normal over -z; any shape."""
    z = np.asarray(z, np.float64)
    near = np.maximum(z, -1.0)
    density = np.exp(-0.5 * near**2 - _HALF_LOG_TWO_PI)
    close = np.log(density + near * np.exp(log_ndtr(near)))
    far = np.clip(z, _FAR, -1.0)
    # log(erfcx(-z/√2) |z| √(π/2)), just below 0: what is left of it decides the tail.
    inner = np.log(erfcx(-far / np.sqrt(2.0)) * -far) + _HALF_LOG_HALF_PI
    rest = np.where(far > -1e4, np.log(-np.expm1(np.minimum(inner, -1e-16))), -2.0 * np.log(-far))
    return np.where(z > -1.0, close, -0.5 * far**2 - _HALF_LOG_TWO_PI + rest)


class Acquisition:
    """The log expected improvement averaged over processes and over their versions of the data.

    The smallest posterior mean at the observations counts as the best so far, so that one lucky
    noisy observation does not. A ``preference`` is added to it.
    """

    def __init__(
        self, processes: list[GaussianProcess], preference: Preference | None = None
    ) -> None:
        self._processes = processes
        self._preference = preference
        self._bests = [process.fitted_means().min(axis=0) for process in processes]

    def __call__(self, points: Floats) -> Floats:
        """Values (m,) at (m, D) points."""
        values = []
        for process, best in zip(self._processes, self._bests, strict=True):
            mean, variance = process.predict(points)
            deviation = np.sqrt(variance)[:, None]
            values.append(np.log(deviation) + log_improvement((best - mean) / deviation))
        promise = _log_mean(np.hstack(values))
        return promise if self._preference is None else promise + self._preference(points)

    def with_gradients(self, points: Floats) -> tuple[Floats, Floats]:
        """Values (m,) and gradients (m, D) at (m, D) points."""
        values, slopes = [], []
        for process, best in zip(self._processes, self._bests, strict=True):
            mean, variance, by_mean, by_variance = process.predict_with_gradients(points)
            deviation = np.sqrt(variance)[:, None]
            z = (best - mean) / deviation
            promise = log_improvement(z)
            values.append(np.log(deviation) + promise)
            share = np.exp(log_ndtr(z) - promise)
            by_deviation = (by_variance / (2.0 * variance[:, None]))[:, None, :]
            slopes.append(
                by_deviation * (1.0 - share * z)[..., None]
                - (share / deviation)[..., None] * by_mean
            )
        joined = np.hstack(values)
        total = _log_mean(joined)
        shares = np.exp(joined - total[:, None]) / joined.shape[1]
        slope = (shares[..., None] * np.concatenate(slopes, axis=1)).sum(axis=1)
        if self._preference is None:
            return total, slope
        return total + self._preference(points), slope + self._preference.gradients(points)


def _log_mean(logarithms: Floats) -> Floats:
    """The logarithm of each row's mean of what these are the logarithms of."""
    highest = logarithms.max(axis=1)
    return np.asarray(highest + np.log(np.exp(logarithms - highest[:, None]).mean(axis=1)))
