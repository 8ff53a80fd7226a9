"""The compiled expectation step, called with checked arrays."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.native import array_of, load_kernel

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LANES = 8
LEAST_PROBABILITY = 1e-12


@cache
def _expect() -> Any:
    function = load_kernel("lda").lda_expect
    function.restype = None
    function.argtypes = (
        array_of(np.int64),
        array_of(np.int32),
        array_of(np.float32),
        ctypes.c_int64,
        ctypes.c_int64,
        array_of(np.float32),
        array_of(np.float32),
        ctypes.c_int32,
        ctypes.c_int32,
        ctypes.c_float,
        array_of(np.float32, writable=True),
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        array_of(np.float32, writable=True),
    )
    return function


def padded(topics: int) -> int:
    """The number of topics rounded up to whole vectors: the stride of the kernel's arrays."""
    return -(-topics // LANES) * LANES


class TopicTable:
    """Topics and prior as the kernel reads them: by word, padded with zeros.

    ``topics`` is (k, V) with rows that sum to one, ``alpha`` (k,). Each word gets a chance of at
    least 1e-12 in each topic, so that no document is impossible.
    """

    def __init__(self, topics: NDArray[Any], alpha: NDArray[Any]) -> None:
        self.count, self.words = topics.shape
        self.stride = padded(self.count)
        self.by_word = np.zeros((self.words, self.stride), np.float32)
        np.maximum(topics.T, LEAST_PROBABILITY, out=self.by_word[:, : self.count], casting="unsafe")
        self.alpha = np.zeros(self.stride, np.float32)
        self.alpha[: self.count] = alpha


def expect(
    documents: Documents,
    first: int,
    last: int,
    table: TopicTable,
    expected: Floats,
    *,
    iterations: int,
    tolerance: float,
    statistics: Doubles | None = None,
    log_weights: Doubles | None = None,
    log_likelihoods: Doubles | None = None,
) -> None:
    """Update the rows [first, last) of ``expected`` and add to what is given; see `kernel.c`.

    ``expected`` is (documents, stride) float32, ``statistics`` (V, stride), ``log_weights``
    (stride,), ``log_likelihoods`` (documents,). ValueError for arrays of other shapes.
    """
    wanted = (
        (expected, (documents.rows, table.stride), np.float32),
        (statistics, (table.words, table.stride), np.float64),
        (log_weights, (table.stride,), np.float64),
        (log_likelihoods, (documents.rows,), np.float64),
    )
    for array, shape, dtype in wanted:
        if array is None:
            continue
        fits = array.shape == shape and array.dtype == dtype and array.flags.c_contiguous
        if not fits:
            raise ValueError(
                f"the kernel needs a C-ordered {dtype.__name__} array of shape {shape}"
            )
    if not 0 <= first <= last <= documents.rows or documents.vocabulary > table.words:
        raise ValueError("the documents do not fit the topics")
    _expect()(
        documents.starts,
        documents.words,
        documents.counts,
        first,
        last,
        table.by_word,
        table.alpha,
        table.stride,
        iterations,
        tolerance,
        expected,
        _address(statistics),
        _address(log_weights),
        _address(log_likelihoods),
        np.empty(2 * table.stride, np.float32),
    )


def _address(array: Doubles | None) -> int | None:
    return None if array is None else array.ctypes.data
