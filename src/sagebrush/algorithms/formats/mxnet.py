"""MXNet's NDArray list file, in which the first-party algorithms leave their parameters.

Layout (little-endian): uint64 0x112, uint64 0, uint64 count; per array uint32 0xF993FAC9, int32
storage type 0 (dense), uint32 dimensions, int64 each, int32 device type and id, int32 dtype flag,
raw data; then uint64 number of names (0 for a bare list), each a uint64 length and its bytes.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIST_MAGIC = 0x112
ARRAY_MAGIC = 0xF993FAC9
_CPU = 1
_DENSE = 0
_MAX_DIMENSIONS = 32
_DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<f2"),
    3: np.dtype("u1"),
    4: np.dtype("<i4"),
    5: np.dtype("i1"),
    6: np.dtype("<i8"),
}
_FLAGS = {dtype: flag for flag, dtype in _DTYPES.items()}


def encode_arrays(arrays: Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as an NDArray list, with their names when a mapping is given.

    ValueError for a dtype MXNet does not have.
    """
    named = isinstance(arrays, Mapping)
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    names = [name.encode() for name in arrays] if isinstance(arrays, Mapping) and named else []
    parts = [struct.pack("<QQQ", LIST_MAGIC, 0, len(values))]
    parts += [_encode_array(value) for value in values]
    parts.append(struct.pack("<Q", len(names)))
    parts += [struct.pack("<Q", len(name)) + name for name in names]
    return b"".join(parts)


def decode_arrays(data: bytes) -> list[NDArray[Any]] | dict[str, NDArray[Any]]:
    """The arrays of an NDArray list: a dict when they are named, else a list.

    ValueError when the bytes are no such list or hold sparse arrays.
    """
    cursor = _Cursor(data)
    if cursor.take("<QQ") != (LIST_MAGIC, 0):
        raise ValueError("not an MXNet NDArray list")
    (count,) = cursor.take("<Q")
    arrays = [_decode_array(cursor) for _ in range(count)]
    (name_count,) = cursor.take("<Q")
    if name_count == 0:
        return arrays
    names = [cursor.bytes(cursor.take("<Q")[0]).decode() for _ in range(name_count)]
    return dict(zip(names, arrays, strict=True))


def _encode_array(array: NDArray[Any]) -> bytes:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    flag = _FLAGS.get(little.dtype)
    if flag is None:
        raise ValueError(f"MXNet has no dtype {array.dtype}")
    shape = struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)
    head = struct.pack("<Ii", ARRAY_MAGIC, _DENSE)
    return head + shape + struct.pack("<iii", _CPU, 0, flag) + little.tobytes()


def _decode_array(cursor: "_Cursor") -> NDArray[Any]:
    magic, storage = cursor.take("<Ii")
    if magic != ARRAY_MAGIC or storage != _DENSE:
        raise ValueError("not a dense MXNet array")
    (dimensions,) = cursor.take("<I")
    if dimensions > _MAX_DIMENSIONS:
        raise ValueError(f"an MXNet array of {dimensions} dimensions")
    shape = cursor.take(f"<{dimensions}q")
    _, _, flag = cursor.take("<iii")
    if flag not in _DTYPES or any(size < 0 for size in shape):
        raise ValueError("an MXNet array of unknown dtype or shape")
    dtype = _DTYPES[flag]
    size_bytes = dtype.itemsize
    for size in shape:
        size_bytes *= size
    return np.frombuffer(cursor.bytes(size_bytes), dtype).reshape(shape).copy()


class _Cursor:
    """Reads from the front of some bytes; ValueError past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.bytes(struct.calcsize(layout)))

    def bytes(self, size: int) -> bytes:
        end = self._position + size
        if end > len(self._data):
            raise ValueError("the MXNet NDArray list is cut off")
        content = self._data[self._position : end]
        self._position = end
        return content
