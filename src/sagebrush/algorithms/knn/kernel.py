"""The compiled exhaustive search as Python functions."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.native import array_of, load_kernel

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

PANEL_ROWS = 16


def padded(count: int) -> int:
    """The number of rows of whole panels that hold ``count`` rows."""
    return -(-count // PANEL_ROWS) * PANEL_ROWS


def pack_rows(rows: Floats, shift: Floats, *, by_distance: bool) -> tuple[Floats, Floats]:
    """The (count, features) rows less ``shift`` (features,) in panels, and each row's bias.

    ``by_distance`` makes high scores near rows, else they are inner products.
    """
    count, features = rows.shape
    if shift.shape != (features,):
        raise ValueError(f"a shift of {shift.shape} for {features} features")
    panels = np.empty(padded(count) * features, np.float32)
    bias = np.empty(padded(count), np.float32)
    _kernel().nearest_pack(rows, count, features, shift, by_distance, panels, bias)
    return panels, bias


def pack_queries(queries: Floats) -> Floats:
    """The (count, features) queries in groups, feature by feature, filled up with zeros."""
    count, features = queries.shape
    tall = group_queries()
    groups = np.zeros((-(-count // tall), tall, features), np.float32)
    groups.reshape(-1, features)[:count] = queries
    return np.ascontiguousarray(groups.transpose(0, 2, 1)).ravel()


def group_queries() -> int:
    """How many queries a group has."""
    return int(_kernel().nearest_group())


def scan(
    panels: Floats,
    bias: Floats,
    span: tuple[int, int],
    groups: Floats,
    queries: int,
    scores: Floats,
    places: Places,
) -> None:
    """Let the rows of a span of panels compete for the (whole groups of queries, k) best places."""
    begin, end = span
    features = panels.size // max(1, bias.size)
    rows, k = scores.shape
    tall = group_queries()
    if not 0 <= begin <= end <= bias.size // PANEL_ROWS:
        raise ValueError(f"no panels {span} of {bias.size // PANEL_ROWS}")
    if places.shape != scores.shape or k < 1 or rows % tall or not rows - tall < queries <= rows:
        raise ValueError(f"{queries} queries do not fit {scores.shape} and {places.shape}")
    if groups.size != rows * features or panels.size != bias.size * features:
        raise ValueError("queries and rows differ in their features")
    first = begin * PANEL_ROWS
    _kernel().nearest_scan(
        panels[first * features :],
        bias[first:],
        end - begin,
        first,
        features,
        groups,
        queries,
        k,
        scores,
        places,
    )


def distances(panels: Floats, count: int, queries: Floats, places: Places) -> Floats:
    """Squared distances of (n, features) queries to (n, k) places among ``count`` packed rows."""
    found, k = places.shape
    features = queries.shape[1]
    if queries.shape[0] != found or panels.size != padded(count) * features:
        raise ValueError("queries, places and rows do not fit")
    if places.size and not 0 <= places.min() <= places.max() < count:
        raise ValueError(f"places beyond {count} rows")
    result = np.empty((found, k), np.float32)
    _kernel().nearest_distances(panels, features, queries, found, k, places, result)
    return result


@cache
def _kernel() -> ctypes.CDLL:
    library = load_kernel("knn")
    size = ctypes.c_int64
    read, write = array_of(np.float32), array_of(np.float32, writable=True)
    library.nearest_group.argtypes = []
    library.nearest_group.restype = size
    library.nearest_pack.argtypes = [read, size, size, read, size, write, write]
    library.nearest_pack.restype = None
    places = array_of(np.int64, writable=True)
    library.nearest_scan.argtypes = [
        *(read, read, size, size, size),
        *(read, size, size, write, places),
    ]
    library.nearest_scan.restype = None
    library.nearest_distances.argtypes = [
        *(read, size, read, size, size),
        *(array_of(np.int64), write),
    ]
    library.nearest_distances.restype = None
    return library
