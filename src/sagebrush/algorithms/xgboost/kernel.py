"""The compiled functions that read a line of numbers and walk trees, behind Python calls."""

import ctypes
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.native import load_kernel

Floats = NDArray[np.float32]

NODE = np.dtype(
    [
        ("column", np.int32),
        ("sign", np.float32),
        ("threshold", np.float32),
        ("fallback", np.int32),
    ]
)
"""A node as the kernel has it, see `forest.Forest`."""


@cache
def _kernel() -> ctypes.CDLL:
    """The library. Addresses go in as numbers: checking arrays costs more than walking a row."""
    library = load_kernel("xgboost")
    address, size = ctypes.c_void_p, ctypes.c_int64
    library.read_line.restype = size
    library.read_line.argtypes = [ctypes.c_char_p, size, address, size]
    library.sigmoid.restype = None
    library.sigmoid.argtypes = [address, size]
    library.add_leaves.restype = None
    library.add_leaves.argtypes = [
        *(address, address, address, size, size),
        *(address, size, size, address, size),
    ]
    return library


@lru_cache(maxsize=64)
def _line_of(capacity: int) -> type[ctypes.Array[ctypes.c_float]]:
    return ctypes.c_float * capacity


def read_line(text: bytes, capacity: int) -> Floats | None:
    """The numbers of one CSV line, shape (1, cells), NaN where a cell is empty.

    They are what Python's float reads, in single precision. None if there are more than
    ``capacity``, or anything needs a closer look: other delimiters, spaces, several lines, numbers
    of more than 15 digits or outside the range of single precision, words.
    """
    line = _line_of(capacity)()
    count = _kernel().read_line(text, len(text), line, capacity)
    return (
        None if count < 0 else np.frombuffer(memoryview(line), np.float32, count).reshape(1, count)
    )


def sigmoid(margins: Floats) -> Floats:
    """1 / (1 + e**-x) of each margin, as xgboost computes it."""
    found = np.array(margins, np.float32)
    _kernel().sigmoid(found.ctypes.data, found.size)
    return found


class Walk:
    """Trees as the kernel takes them: addresses, of arrays that live as long."""

    def __init__(
        self, nodes: NDArray[np.void], values: Floats, tree_outputs: NDArray[np.int32], depth: int
    ) -> None:
        self._arrays = (nodes, values, tree_outputs)
        self._trees = tuple(ctypes.c_void_p(each.ctypes.data) for each in self._arrays)
        self._sizes = len(tree_outputs), depth

    def add_leaves(self, features: Floats, margins: Floats) -> None:
        """Add the leaves that contiguous rows (n, d) fall into to the margins (n, G).

        The nodes' columns are below d, the trees' outputs below G, and children are nodes.
        """
        rows, width = features.shape
        _kernel().add_leaves(
            *self._trees,
            *self._sizes,
            *(features.ctypes.data, rows, width),
            *(margins.ctypes.data, margins.shape[1]),
        )
