"""The regular mode's summary of rows: the sum of their outer products, exact."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.pca import kernel
from sagebrush.algorithms.pca.moments import Moments

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

# Up to here each thread sums rows of its own; beyond, threads share one matrix.
SHARED_COLUMNS = 512
POINT_ROWS = 1024
# Below this share of values that are not zero, products of sparse rows are faster.
SPARSE_SHARE = 0.04
SPARSE_ROWS = 4096
DENSE_VALUES = 1 << 22


class Scatter:
    """Adds up x x' over rows of ``columns`` features, with ``threads`` cores.

    Memory is ``columns``^2 doubles, halved by symmetry; up to 512 columns as much for each thread.
    """

    def __init__(self, columns: int, threads: int = 1) -> None:
        self._columns = columns
        self._threads = threads
        self._point: Doubles | None = None
        self._count = 0
        shared = columns > SHARED_COLUMNS
        self._tiles = [kernel.new_tiles(columns) for _ in range(1 if shared else threads)]
        self._sums = [kernel.new_sums(columns) for _ in self._tiles]
        self._work = [kernel.new_work(columns) for _ in range(threads)]
        self._sparse: Moments | None = None

    def add(self, rows: Any) -> None:
        """Take in (count, columns) rows: float32 or float64 in C order, or CSR."""
        if not rows.shape[0]:
            return
        if not sparse.issparse(rows):
            self._add_dense(rows)
        elif rows.nnz < SPARSE_SHARE * rows.shape[0] * rows.shape[1]:
            self._add_sparse(rows)
        else:
            step = max(1, DENSE_VALUES // self._columns)
            for first in range(0, rows.shape[0], step):
                self._add_dense(rows[first : first + step].toarray())

    def _add_dense(self, rows: Floats | Doubles) -> None:
        if self._point is None:
            mean = rows[:POINT_ROWS].mean(axis=0, dtype=np.float64)
            self._point = mean.astype(np.float32).astype(np.float64)
        self._count += rows.shape[0]
        point: Any = self._point.astype(rows.dtype)
        panels = kernel.panels_of(self._columns)
        if len(self._tiles) < self._threads:
            ranges = _equal_areas(panels, self._threads)
            jobs = [(rows, ranges[each], 0, each) for each in range(self._threads)]
        else:
            edges = np.linspace(0, rows.shape[0], self._threads + 1).astype(int)
            jobs = [
                (rows[edges[each] : edges[each + 1]], (0, panels), each, each)
                for each in range(self._threads)
            ]

        def run(job: tuple[Floats | Doubles, tuple[int, int], int, int]) -> None:
            part, span, sums, work = job
            kernel.add_rows(
                part, point, span, self._work[work], self._tiles[sums], self._sums[sums]
            )

        if self._threads == 1:
            run(jobs[0])
            return
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(run, jobs))

    def _add_sparse(self, rows: sparse.csr_matrix) -> None:
        if self._sparse is None:
            zeros = np.zeros(self._columns)
            square = np.zeros((self._columns, self._columns))
            self._sparse = Moments(0, zeros, zeros.copy(), 0.0, square)
        before = self._sparse
        flat = before.products.ravel()
        for first in range(0, rows.shape[0], SPARSE_ROWS):
            part = rows[first : first + SPARSE_ROWS].astype(np.float64)
            product = (part.T @ part).tocoo()
            flat[product.row.astype(np.int64) * self._columns + product.col] += product.data
        values = rows.astype(np.float64)
        sums = before.sums + np.asarray(values.sum(axis=0)).ravel()
        squares = before.squares + float(values.data @ values.data)
        count = before.count + rows.shape[0]
        self._sparse = Moments(count, before.point, sums, squares, before.products)

    def parts(self) -> list[Moments]:
        """The sums so far, which this object must not be asked to go on from."""
        parts = [] if self._sparse is None else [self._sparse]
        if self._point is not None or not parts:
            point = np.zeros(self._columns) if self._point is None else self._point
            for other in self._tiles[1:]:
                self._tiles[0] += other
            for other in self._sums[1:]:
                self._sums[0] += other
            products = kernel.unpacked(self._tiles[0], self._columns)
            sums = self._sums[0][: self._columns]
            parts.append(Moments(self._count, point, sums, float(np.trace(products)), products))
        return parts


def _equal_areas(panels: int, threads: int) -> list[tuple[int, int]]:
    """Ranges of the upper triangle's rows of panels with about equally many tiles each."""
    shares = np.arange(threads + 1) / threads
    edges = np.round(panels * (1 - np.sqrt(1 - shares))).astype(int).tolist()
    return list(pairwise(edges))
