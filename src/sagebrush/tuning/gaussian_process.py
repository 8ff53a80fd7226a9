"""A Gaussian process over the unit cube whose hyperparameters are fitted to what was observed.

    n        observations               D        dimensions, of which C are categorical
    X        (n, D) in [0, 1]           y        (n,) with mean 0 and variance 1
    w_j      Kumaraswamy's distribution function 1 - (1 - x^a_j)^b_j, which bends dimension j
    r²       sum_j ((w_j(x) - w_j(x')) / l_j)² over numeric j
             + sum_c [x_c != x'_c] / l_c² over categorical c
    K        s (1 + √5 r + 5/3 r²) exp(-√5 r) + noise I       (Matérn 5/2)

Input warping: Snoek et al., *Input Warping for Bayesian Optimization*, 2014. Lengthscales are
expected to grow with the square root of D: Hvarfner et al., *Vanilla Bayesian Optimization Performs
Great in High Dimensions*, 2024.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SQRT5 = 5.0**0.5
_JITTER = 1e-10
_EDGE = 1e-9
_LEAST_VARIANCE = 1e-14
_FIT_TOLERANCE = 1e-7
_LOWEST_LOG_NOISE, _HIGHEST_LOG_NOISE = np.log(1e-8), np.log(1.0)


@dataclass(frozen=True)
class Priors:
    """Means and standard deviations of normal priors on the logarithms of the hyperparameters."""

    lengthscale_mean: float
    lengthscale_sd: float = 1.0
    signal_sd: float = 1.0
    noise_mean: float = float(np.log(1e-4))
    noise_sd: float = 2.5
    warp_sd: float = 0.35


@dataclass(frozen=True)
class Hyperparameters:
    """One setting, all as logarithms: (D,) lengthscales, signal and noise variances, warps.

    ``warps`` is (2, D): the logarithms of a and b; those of categorical dimensions are 0.
    """

    lengthscales: Floats
    signal: float
    noise: float
    warps: Floats

    def packed(self) -> Floats:
        """All numbers in one vector."""
        return np.concatenate(
            [self.lengthscales, [self.signal, self.noise], self.warps.reshape(-1)]
        )

    @classmethod
    def unpacked(cls, vector: Floats) -> "Hyperparameters":
        """From what `packed` gave."""
        size = (len(vector) - 2) // 3
        return cls(
            vector[:size],
            float(vector[size]),
            float(vector[size + 1]),
            vector[size + 2 :].reshape(2, -1),
        )


def warped(X: Floats, warps: Floats) -> Floats:
    """Each column through its Kumaraswamy distribution function; as it is where the warps are 0.

    That leaves categorical columns, which are no places in [0, 1], alone.
    """
    bent = warps.any(axis=0)
    if not bent.any():
        return X
    a, b = np.exp(warps[:, bent])
    places = X.copy()
    inner = np.clip(X[:, bent], _EDGE, 1 - _EDGE) ** a
    places[:, bent] = 1 - (1 - inner) ** b
    return places


def _squared_distances(A: Floats, B: Floats, lengthscales: Floats, categorical: Flags) -> Floats:
    """r² between the rows of two sets of warped points."""
    scale = np.exp(-lengthscales[~categorical])
    first, second = A[:, ~categorical] * scale, B[:, ~categorical] * scale
    distances = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2.0 * first @ second.T
    np.maximum(distances, 0.0, out=distances)
    for column in np.flatnonzero(categorical):
        distances += (A[:, column, None] != B[:, column]) * np.exp(-2 * lengthscales[column])
    return np.asarray(distances)


def _matern(squared: Floats) -> tuple[Floats, Floats]:
    """The correlation and its derivative with respect to r²."""
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root)
    slope = (1.0 + root) * decay
    return slope + (5.0 / 3.0) * squared * decay, slope * (-5.0 / 6.0)


class GaussianProcess:
    """A process conditioned on observations; predicts means and variances of the function.

    ``y`` may have k columns: k versions of the observations, which share the variances but not the
    means.
    """

    def __init__(
        self, X: Floats, y: Floats, categorical: Flags, hyperparameters: Hyperparameters
    ) -> None:
        self.X = X
        self.y = y.reshape(len(X), -1)
        self.categorical = categorical
        self.hyperparameters = hyperparameters
        self._warped = warped(X, hyperparameters.warps)
        self._signal = float(np.exp(hyperparameters.signal))
        self._noise = float(np.exp(hyperparameters.noise)) + _JITTER
        squared = self._squared_distances(self._warped)
        kernel = self._signal * _matern(squared)[0]
        kernel[np.diag_indices_from(kernel)] += self._noise
        self._factor = _cholesky(kernel)
        self._weights: Floats = cho_solve((self._factor, True), self.y, check_finite=False)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Means (m, k) and variances (m,) of the noiseless function at (m, D) points."""
        correlation = self._covariance(points)
        half = solve_triangular(self._factor, correlation.T, lower=True, check_finite=False)
        variance = self._signal - (half**2).sum(axis=0)
        return correlation @ self._weights, np.maximum(variance, _LEAST_VARIANCE)

    def predict_with_gradients(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Means (m, k) and variances (m,) at (m, D) points, with gradients (m, k, D) and (m, D).

        The gradients are 0 in categorical dimensions.
        """
        places = warped(points, self.hyperparameters.warps)
        correlation, slope = _matern(self._squared_distances(places))
        solved = cho_solve((self._factor, True), correlation.T, check_finite=False).T
        variance = self._signal - self._signal**2 * (correlation * solved).sum(axis=1)
        scale = np.exp(-2.0 * self.hyperparameters.lengthscales) * ~self.categorical
        factor = 2.0 * scale * self._bend(points)
        # sum_n weight_n slope_n (place - X_n), for each of the weights.
        pulls = slope[:, None, :] * self._weights.T
        by_mean = places[:, None, :] * pulls.sum(axis=2)[..., None] - pulls @ self._warped
        pull = slope * solved
        by_variance = places * pull.sum(axis=1)[:, None] - pull @ self._warped
        return (
            self._signal * (correlation @ self._weights),
            np.maximum(variance, _LEAST_VARIANCE),
            self._signal * factor[:, None, :] * by_mean,
            -2.0 * self._signal**2 * factor * by_variance,
        )

    def conditioned(self, points: Floats, normals: Floats) -> "GaussianProcess":
        """The process as if the points had been observed, too, with k random outcomes each.

        ``normals`` is (k, m) standard normal numbers; this process must have one column.
        """
        means = self.predict(points)[0][:, 0]
        places = warped(points, self.hyperparameters.warps)
        half = solve_triangular(
            self._factor, self._covariance(points).T, lower=True, check_finite=False
        )
        lengthscales = self.hyperparameters.lengthscales
        squared = _squared_distances(places, places, lengthscales, self.categorical)
        covariance = self._signal * _matern(squared)[0] - half.T @ half
        covariance[np.diag_indices_from(covariance)] += self._noise
        outcomes = means[:, None] + _cholesky(covariance) @ normals.T
        observed = np.repeat(self.y, normals.shape[0], axis=1)
        return GaussianProcess(
            np.vstack([self.X, points]),
            np.vstack([observed, outcomes]),
            self.categorical,
            self.hyperparameters,
        )

    def fitted_means(self) -> Floats:
        """The function's posterior means (n, k) at the observations."""
        return np.asarray(self.y - self._noise * self._weights)

    def _squared_distances(self, places: Floats) -> Floats:
        lengthscales = self.hyperparameters.lengthscales
        return _squared_distances(places, self._warped, lengthscales, self.categorical)

    def _covariance(self, points: Floats) -> Floats:
        places = warped(points, self.hyperparameters.warps)
        return np.asarray(self._signal * _matern(self._squared_distances(places))[0])

    def _bend(self, points: Floats) -> Floats:
        """How fast each warped coordinate changes."""
        warps = self.hyperparameters.warps
        if not warps.any():
            return np.ones_like(points)
        a, b = np.exp(warps)
        clipped = np.clip(points, _EDGE, 1 - _EDGE)
        return np.asarray(a * b * clipped ** (a - 1) * (1 - clipped**a) ** (b - 1))


def _cholesky(matrix: Floats) -> Floats:
    """The lower factor; a little is added to the diagonal as long as rounding makes it fail."""
    added = 0.0
    while True:
        factor, problem = dpotrf(matrix, lower=1, clean=1, overwrite_a=0)
        if problem == 0:
            return np.asarray(factor)
        added = max(added * 10.0, 1e-9)
        matrix = matrix + added * np.eye(len(matrix))


class Posterior:
    """The negative logarithm of the hyperparameters' posterior density, with its gradient."""

    def __init__(self, X: Floats, y: Floats, categorical: Flags, priors: Priors) -> None:
        self._X = X
        self._y = y
        self._categorical = categorical
        self._numeric = ~categorical
        self._priors = priors
        self._bends = priors.warp_sd > 0
        clipped = np.clip(X, _EDGE, 1 - _EDGE)
        self._logarithm = np.log(clipped)

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        given = Hyperparameters.unpacked(vector)
        warping = self._warping(given.warps)
        places = self._X if warping is None else warping[0]
        squared = _squared_distances(places, places, given.lengthscales, self._categorical)
        correlation, slope = _matern(squared)
        signal, noise = np.exp(given.signal), np.exp(given.noise)
        kernel = signal * correlation
        kernel[np.diag_indices_from(kernel)] += noise + _JITTER
        factor, problem = dpotrf(kernel, lower=1, clean=1, overwrite_a=1)
        if problem:
            return 1e25, np.zeros_like(vector)
        weights = cho_solve((factor, True), self._y, check_finite=False)
        inverse, _ = dpotri(factor, lower=1)
        value = 0.5 * float(self._y @ weights) + float(np.log(np.diag(factor)).sum())
        # Twice the derivative of the value by K, of which dpotri gives the lower triangle and
        # leaves the upper one as dpotrf cleaned it.
        outer = inverse + inverse.T
        outer[np.diag_indices_from(outer)] *= 0.5
        outer -= np.outer(weights, weights)
        by_signal = 0.5 * signal * float(np.vdot(outer, correlation))
        by_noise = 0.5 * noise * float(np.trace(outer))
        by_squared = outer * slope
        by_squared *= 0.5 * signal
        by_length, by_warp = self._by_places(places, given, by_squared, warping)
        gradient = np.concatenate([by_length, [by_signal, by_noise], by_warp.reshape(-1)])
        penalty, prior_gradient = self._prior(vector)
        return value + penalty, gradient + prior_gradient

    def logarithm(self, vector: Floats) -> float:
        """The density's logarithm alone, which takes half the time; -inf out of bounds."""
        given = Hyperparameters.unpacked(vector)
        if not _LOWEST_LOG_NOISE <= given.noise <= _HIGHEST_LOG_NOISE:
            return -np.inf
        warping = self._warping(given.warps)
        places = self._X if warping is None else warping[0]
        squared = _squared_distances(places, places, given.lengthscales, self._categorical)
        kernel = np.exp(given.signal) * _matern(squared)[0]
        kernel[np.diag_indices_from(kernel)] += np.exp(given.noise) + _JITTER
        factor, problem = dpotrf(kernel, lower=1, clean=0, overwrite_a=1)
        if problem:
            return -np.inf
        half = solve_triangular(factor, self._y, lower=True, check_finite=False)
        value = 0.5 * float(half @ half) + float(np.log(np.diag(factor)).sum())
        return -value - self._prior(vector)[0]

    def _warping(self, warps: Floats) -> tuple[Floats, Floats, Floats] | None:
        """Warped inputs and their derivatives by the logarithms of a and b."""
        if not self._bends:
            return None
        a, b = np.exp(warps)
        powered = np.exp(a * self._logarithm)
        rest = 1.0 - powered
        log_rest = np.log(rest)
        tail = np.exp(b * log_rest)
        by_a = b * (tail / rest) * powered * self._logarithm * a
        by_b = -tail * log_rest * b
        places = 1.0 - tail
        places[:, self._categorical] = self._X[:, self._categorical]
        return places, by_a, by_b

    def _by_places(
        self,
        places: Floats,
        given: Hyperparameters,
        by_squared: Floats,
        warping: tuple[Floats, Floats, Floats] | None,
    ) -> tuple[Floats, Floats]:
        """Gradients by log lengthscales and by warps, from that by each r²."""
        inverse_square = np.exp(-2.0 * given.lengthscales)
        sums = by_squared.sum(axis=1)
        spread = by_squared @ places
        # sum_ab W_ab (x_a - x_b)² for each dimension, without a matrix per dimension.
        squares = 2.0 * (sums @ places**2) - 2.0 * (places * spread).sum(axis=0)
        by_length = -2.0 * inverse_square * squares
        for column in np.flatnonzero(self._categorical):
            differs = places[:, column, None] != places[:, column]
            by_length[column] = -2.0 * inverse_square[column] * float(by_squared[differs].sum())
        by_warp = np.zeros_like(given.warps)
        if warping is not None:
            by_place = 4.0 * inverse_square * (places * sums[:, None] - spread)
            by_warp[0] = (by_place * warping[1]).sum(axis=0)
            by_warp[1] = (by_place * warping[2]).sum(axis=0)
            by_warp[:, self._categorical] = 0.0
        return by_length, by_warp

    def _prior(self, vector: Floats) -> tuple[float, Floats]:
        priors = self._priors
        size = self._X.shape[1]
        means, deviations = np.zeros_like(vector), np.ones_like(vector)
        means[:size], deviations[:size] = priors.lengthscale_mean, priors.lengthscale_sd
        deviations[size] = priors.signal_sd
        means[size + 1], deviations[size + 1] = priors.noise_mean, priors.noise_sd
        if self._bends:
            deviations[size + 2 :] = priors.warp_sd
        else:
            deviations[size + 2 :] = np.inf
        away = (vector - means) / deviations
        return 0.5 * float(away @ away), away / deviations


def fit(
    X: Floats,
    y: Floats,
    categorical: Flags,
    priors: Priors,
    starts: list[Hyperparameters],
    iterations: int = 50,
) -> list[tuple[float, Hyperparameters]]:
    """Local maxima of the posterior density reached from the starts, the best first.

    Each comes with its negative logarithm, up to a constant.
    """
    posterior = Posterior(X, y, categorical, priors)
    size = X.shape[1]
    bounds = [(-5.0, 5.0)] * size + [(-4.0, 4.0), (_LOWEST_LOG_NOISE, _HIGHEST_LOG_NOISE)]
    free = (-1.5, 1.5) if priors.warp_sd > 0 else (0.0, 0.0)
    bounds += [(0.0, 0.0) if is_category else free for is_category in categorical] * 2
    lows, highs = np.array(bounds).T
    found = []
    for start in starts:
        vector = np.clip(start.packed(), lows, highs)
        result = minimize(
            posterior,
            vector,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            # The default goes on for as long again to change the fifth digit of a lengthscale.
            options={
                "maxiter": iterations,
                "maxfun": 2 * iterations,
                "ftol": _FIT_TOLERANCE,
            },
        )
        found.append((float(result.fun), Hyperparameters.unpacked(result.x)))
    return sorted(found, key=lambda each: each[0])
