"""The randomized mode's summary of rows: the scatter matrix times a few directions.

The developer guide sketches the rows themselves, B = H X with a random (l, n) matrix H. This keeps
Y = X'X Omega instead, with one orthonormal (d, w) matrix Omega: large directions stand out by the
square of what they do in B. Half of Omega's columns are the leading directions of some hundred rows
and half are random, so that what these rows do not show is found as well. The matrix is recovered
as Nystroem's Y (Omega' Y)^-1 Y'. Source: J. Tropp, A. Yurtsever, M. Udell and V. Cevher,
"Fixed-rank approximation of a positive-semidefinite matrix from streaming data", NIPS 2017,
algorithm 3; the choice of Omega is ours.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.pca.moments import Moments

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

POINT_ROWS = 1024
BLOCK_VALUES = 1 << 18
MIN_BLOCK_ROWS = 64
SAMPLE_ROUNDS = 4


class Sketch:
    """Adds up x (x' Omega) over rows; ``test`` is Omega (d, l), orthonormal float64 columns."""

    def __init__(self, test: Doubles, threads: int = 1) -> None:
        self.test = test
        self._test = np.ascontiguousarray(test, np.float32)
        self._threads = threads
        self._point: Doubles | None = None
        self._dense = _empty(test)
        self._sparse: Moments | None = None

    def add(self, rows: Any) -> None:
        """Take in (count, d) rows: float32 or float64 in C order, or CSR."""
        if not rows.shape[0]:
            return
        if sparse.issparse(rows):
            self._sparse = self._with_sparse(rows)
            return
        if self._point is None:
            mean = rows[:POINT_ROWS].mean(axis=0, dtype=np.float64)
            self._point = mean.astype(np.float32).astype(np.float64)
        point = self._point.astype(rows.dtype)
        step = max(MIN_BLOCK_ROWS, BLOCK_VALUES // rows.shape[1])
        share = -(-rows.shape[0] // self._threads)
        step = min(step, max(1, share))

        def block_sums(first: int) -> tuple[Floats, Doubles, float]:
            # What is not finite shows in the sums.
            with np.errstate(invalid="ignore", over="ignore"):
                shifted = (rows[first : first + step] - point).astype(np.float32, copy=False)
                products = shifted.T @ (shifted @ self._test)
                sums = np.ones(shifted.shape[0], np.float32) @ shifted
                flat = shifted.ravel()
                return products, sums, float(flat @ flat)

        starts = range(0, rows.shape[0], step)
        total = self._dense
        squares = total.squares
        with ThreadPoolExecutor(self._threads) as pool:
            for products, sums, square in pool.map(block_sums, starts):
                total.products[...] += products
                total.sums[...] += sums
                squares += square
        count = total.count + rows.shape[0]
        self._dense = Moments(count, self._point, total.sums, squares, total.products)

    def _with_sparse(self, rows: sparse.csr_matrix) -> Moments:
        """The sparse rows' moments about the origin, where they stay sparse."""
        before = self._sparse or _empty(self.test)
        values = rows.astype(np.float64)
        before.products[...] += values.T @ (values @ self.test)
        before.sums[...] += np.asarray(values.sum(axis=0)).ravel()
        squares = before.squares + float(values.data @ values.data)
        return Moments(
            before.count + rows.shape[0], before.point, before.sums, squares, before.products
        )

    def parts(self) -> list[Moments]:
        """The sums so far, which this object must not be asked to go on from."""
        parts = [] if self._sparse is None else [self._sparse]
        return parts if parts and self._point is None else [*parts, self._dense]


def directions_to_test(sample: Doubles, width: int, seed: int) -> Doubles:
    """Orthonormal (d, at most 2 width) columns: the sample's leading directions and random ones.

    ``sample`` holds some centred rows, (rows, d).
    """
    columns = sample.shape[1]
    random = np.random.default_rng(seed).standard_normal((columns, min(columns, 2 * width)))
    half = min(width, columns // 2)
    leading = random[:, :half]
    for _ in range(SAMPLE_ROUNDS):
        leading = np.linalg.qr(sample.T @ (sample @ leading))[0]
    return np.asarray(np.linalg.qr(np.concatenate([leading, random[:, half:]], axis=1))[0])


def recovered(products: Doubles, test: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues (l,), descending, and eigenvectors (d, l) of the matrix that was sketched.

    ``products`` is the positive semidefinite matrix times ``test``.
    """
    size = float(np.linalg.norm(products))
    # Products were summed in float32, so nothing below this is more than rounding.
    noise = float(np.finfo(np.float32).eps) * size
    shifted = products + noise * test
    core = test.T @ shifted
    values, vectors = scipy.linalg.eigh((core + core.T) / 2)
    kept = values > 0.5 * noise
    if not kept.any():
        return np.zeros(test.shape[1]), test
    root = shifted @ (vectors[:, kept] / np.sqrt(values[kept]))
    left, singular, _ = np.linalg.svd(root, full_matrices=False)
    found = np.maximum(singular**2 - noise, 0.0)
    missing = test.shape[1] - found.size
    if not missing:
        return found, left
    filled = np.linalg.qr(np.concatenate([left, test], axis=1))[0][:, left.shape[1] :]
    return np.append(found, np.zeros(missing)), np.concatenate([left, filled[:, :missing]], axis=1)


def _empty(test: Doubles) -> Moments:
    columns, width = test.shape
    return Moments(0, np.zeros(columns), np.zeros(columns), 0.0, np.zeros((columns, width)))
