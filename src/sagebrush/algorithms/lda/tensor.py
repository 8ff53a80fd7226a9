"""Decomposition of a symmetric tensor into orthogonal rank-one terms by alternating least squares.

A whitened third moment is, but for noise, sum_i lambda_i a_i (x) a_i (x) a_i with orthonormal a_i.
All terms are sought at once. One step fits the third factor to two copies of the second, which for
orthonormal columns is a_i <- T(., a_i, a_i), and moves the result, weighted by lambda_i, to the
nearest orthonormal matrix; this climbs sum_i lambda_i^2, so it lessens the error of the fit. Unlike
deflation it adds no error from term to term.

References: A. Anandkumar et al., "Tensor decompositions for learning latent variable models", JMLR
15, 2014; J. Chen and Y. Saad, "On the tensor SVD and the optimal low rank orthogonal approximation
of tensors", SIAM J. Matrix Anal. Appl. 30, 2009; V. Sharan and G. Valiant, "Orthogonalized ALS",
ICML 2017.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

TRIAL_ITERATIONS = 30
FEWEST_ITERATIONS = 5
# What the trials, and what the final climb may cost: some seconds, with 100 terms and more.
MULTIPLICATIONS = 1e11


class Terms(NamedTuple):
    """Rank-one terms: ``weights`` (r,), not negative, and ``vectors`` (r, r), one column each."""

    weights: Doubles
    vectors: Doubles

    @property
    def fit(self) -> float:
        """The part of the tensor's squared norm that the terms explain."""
        return float(self.weights @ self.weights)


def decompose(
    tensor: Doubles,
    *,
    restarts: int,
    iterations: int,
    tolerance: float,
    rng: np.random.Generator,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Terms:
    """The r terms of a symmetric (r, r, r) tensor.

    From each of ``restarts`` random starts some steps are made; the best of them goes on until its
    fit grows by less than ``tolerance`` of itself, or for ``iterations``. A step costs r^4
    multiplications; where r is above about 100 that bounds the number of steps, too.
    """
    width = tensor.shape[0]
    unfolded = np.ascontiguousarray(tensor.reshape(width, width * width))
    best: Terms | None = None
    affordable = int(MULTIPLICATIONS / width**4)
    trial = min(iterations, TRIAL_ITERATIONS, max(affordable // restarts, FEWEST_ITERATIONS))
    for _ in range(restarts):
        start = np.linalg.qr(rng.normal(size=(width, width)))[0]
        terms = _climb(unfolded, start, trial, tolerance, stop_requested)
        if best is None or terms.fit > best.fit:
            best = terms
        if stop_requested():
            break
    assert best is not None
    final = min(iterations - trial + 1, max(affordable, TRIAL_ITERATIONS))
    return _climb(unfolded, best.vectors, final, tolerance, stop_requested)


def _climb(
    unfolded: Doubles,
    vectors: Doubles,
    iterations: int,
    tolerance: float,
    stop_requested: Callable[[], bool],
) -> Terms:
    before = -1.0
    for _ in range(iterations):
        images, weights = _images(unfolded, vectors)
        fit = float(weights @ weights)
        if fit - before <= tolerance * fit or stop_requested():
            break
        before = fit
        left, _, right = np.linalg.svd(images * weights)
        vectors = left @ right
    _, weights = _images(unfolded, vectors)
    signs = np.where(weights < 0, -1.0, 1.0)
    return Terms(weights * signs, vectors * signs)


def _images(unfolded: Doubles, vectors: Doubles) -> tuple[Doubles, Doubles]:
    """T(., a_i, a_i) as columns, and T(a_i, a_i, a_i)."""
    width = vectors.shape[0]
    squares = (vectors[:, None, :] * vectors[None]).reshape(width * width, width)
    images = unfolded @ squares
    return images, np.einsum("ij,ij->j", images, vectors)
