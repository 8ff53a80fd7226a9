"""Packed protobuf varints to and from numpy arrays, all values at once."""

import numpy as np
from numpy.typing import NDArray

MAX_VARINT_BYTES = 10


def decode_varints(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The values of a run of varints; ValueError when the run stops inside one or one is too long.

    ``packed`` is the byte run of shape (bytes,); negative int32 come out as 64-bit two's
    complement, so ``.astype(int32)`` restores them.
    """
    if packed.size == 0:
        return np.empty(0, np.uint64)
    last = packed < 0x80
    if last.all():
        return packed.astype(np.uint64)
    if not last[-1]:
        raise ValueError("packed integers end inside a varint")
    ends = np.flatnonzero(last)
    sizes = np.diff(ends, prepend=-1)
    longest = int(sizes.max())
    if longest > MAX_VARINT_BYTES:
        raise ValueError("a varint is longer than ten bytes")
    # From the last byte of each value backwards: most bits first.
    values = packed[ends].astype(np.uint64)
    for index in range(1, longest):
        rows = np.flatnonzero(sizes > index)
        part = packed[ends[rows] - index] & 0x7F
        values[rows] = values[rows] << np.uint64(7) | part
    return values


def varint_sizes(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of bytes each value takes as a varint, 1 to 10."""
    sizes = np.ones(values.shape, np.int64)
    rest = values >> np.uint64(7)
    while rest.any():
        sizes += rest != 0
        rest = rest >> np.uint64(7)
    return sizes


def encode_varints(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The values as one run of varints, of shape (bytes,)."""
    sizes = varint_sizes(values)
    packed = np.empty(int(sizes.sum()), np.uint8)
    starts = np.cumsum(sizes) - sizes
    for index in range(int(sizes.max(initial=0))):
        rows = np.flatnonzero(sizes > index)
        part = (values[rows] >> np.uint64(7 * index)).astype(np.uint8) & 0x7F
        part[sizes[rows] > index + 1] |= 0x80
        packed[starts[rows] + index] = part
    return packed


def encode_varint(value: int) -> bytes:
    """One non-negative integer as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
