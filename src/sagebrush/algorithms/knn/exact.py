"""Exhaustive search in the rows of a flat index, faster than faiss' own and just as exact.

Rows are kept a second time in the order in which the kernel reads them. For distances they are
taken less their mean: scores are differences of inner products, which lose what lies far from the
origin. The distances of the rows found are then taken anew, from the differences themselves.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.knn import kernel

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

TOO_LARGE = "The features are too large to take distances of."
SHARED_QUERIES = 64
MEAN_ROWS = 1 << 16


class ExactSearch:
    """Finds the nearest of (count, width) float32 rows, or those of the largest inner product."""

    def __init__(self, rows: Floats, *, inner_product: bool) -> None:
        self._count, self._width = rows.shape
        self._inner_product = inner_product
        self._shift = np.zeros(self._width, np.float32)
        if not inner_product:
            self._shift = _mean(rows)
        self._panels, self._bias = kernel.pack_rows(
            rows, self._shift, by_distance=not inner_product
        )
        if not np.isfinite(self._bias[: self._count]).all():
            raise ClientError(TOO_LARGE)

    def search(self, queries: Floats, k: int, threads: int) -> tuple[Floats, Places]:
        """Squared distances or inner products and places of each query's k nearest, in order.

        ``k`` is at most the number of rows.
        """
        shifted = np.ascontiguousarray(queries - self._shift, np.float32)
        if threads < 2 or queries.shape[0] < SHARED_QUERIES:
            return self._search(shifted, k)
        with ThreadPoolExecutor(threads) as pool:
            parts = list(
                pool.map(lambda part: self._search(part, k), np.array_split(shifted, threads))
            )
        return np.concatenate([part[0] for part in parts]), np.concatenate(
            [part[1] for part in parts]
        )

    def _search(self, queries: Floats, k: int) -> tuple[Floats, Places]:
        count = queries.shape[0]
        groups = kernel.pack_queries(queries)
        rows = groups.size // self._width
        scores = np.full((rows, k), -np.inf, np.float32)
        places = np.full((rows, k), -1, np.int64)
        panels = self._bias.size // kernel.PANEL_ROWS
        kernel.scan(self._panels, self._bias, (0, panels), groups, count, scores, places)
        scores, places = scores[:count], places[:count]
        if (places < 0).any():
            raise ClientError(TOO_LARGE)
        if not self._inner_product:
            scores = kernel.distances(
                self._panels, self._count, queries, np.ascontiguousarray(places)
            )
        if not np.isfinite(scores).all():
            raise ClientError(TOO_LARGE)
        # Of equal ones the row that came first is the nearer.
        order = np.lexsort((places, -scores if self._inner_product else scores), axis=1)
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(places, order, axis=1)


def _mean(rows: Floats) -> Floats:
    """The rows' mean, of blocks so as not to hold them in double precision."""
    total = np.zeros(rows.shape[1])
    for first in range(0, rows.shape[0], MEAN_ROWS):
        total += rows[first : first + MEAN_ROWS].sum(axis=0, dtype=np.float64)
    return np.asarray(total / max(1, rows.shape[0]), np.float32)
