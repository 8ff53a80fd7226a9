"""Matrices whose rows are padded to whole vectors and whose pages come into being when used."""

import mmap

import numpy as np

from sagebrush.algorithms.blazing_text.kernel import STRIDE_FLOATS, Floats

_CHUNK_BYTES = 1 << 20


def zero_rows(rows: int, columns: int, *, dense: bool) -> Floats:
    """A (rows, stride) matrix of zeros at a page's start; ``stride`` is columns rounded up.

    Rows that nobody writes to take no memory. ``dense`` promises that all will be written to.
    """
    stride = -(-columns // STRIDE_FLOATS) * STRIDE_FLOATS
    size = max(rows, 1) * stride * 4
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if dense and hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, np.float32)[: rows * stride].reshape(rows, stride)


def fill_uniform(matrix: Floats, columns: int, bound: float, seed: int) -> None:
    """Fill the first columns with numbers from -bound to bound."""
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK_BYTES // (4 * columns))
    for first in range(0, len(matrix), step):
        part = matrix[first : first + step, :columns]
        part[:] = (generator.random(part.shape, np.float32) * 2 - 1) * np.float32(bound)


def copy_rows(source: Floats, target: Floats) -> None:
    """Make the target equal to the source, touching no page that is zero in both."""
    step = max(1, _CHUNK_BYTES // source.strides[0])
    for first in range(0, len(source), step):
        ours, theirs = source[first : first + step], target[first : first + step]
        if ours.any() or theirs.any():
            theirs[:] = ours
