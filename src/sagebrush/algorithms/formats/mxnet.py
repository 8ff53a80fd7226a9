"""MXNet's NDArray list file, in which the first-party algorithms leave their parameters.

Layout (little-endian): uint64 0x112, uint64 0, uint64 count; per array uint32 0xF993FAC9, int32
storage type 0 (dense), uint32 dimensions, int64 each, int32 device type and id, int32 dtype flag,
raw data; then uint64 number of names (0 for a bare list), each a uint64 length and its bytes.

A row-sparse array (storage type 1) has the shape of its stored rows before its own shape, behind
the dtype flag the dtype flag and the shape of the row numbers, and the row numbers behind the data.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

LIST_MAGIC = 0x112
ARRAY_MAGIC = 0xF993FAC9
_CPU = 1
_DENSE = 0
_ROW_SPARSE = 1
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


class RowSparse(NamedTuple):
    """An array of ``shape`` whose rows are zero but for some.

    ``rows`` (m,) are their numbers, int64 and ascending; ``values`` (m, ...) what stands in them.
    """

    rows: NDArray[np.int64]
    values: NDArray[Any]
    shape: tuple[int, ...]

    def toarray(self) -> NDArray[Any]:
        """The dense array."""
        dense = np.zeros(self.shape, self.values.dtype)
        dense[self.rows] = self.values
        return dense


Stored = NDArray[Any] | RowSparse


def encode_arrays(arrays: Sequence[Stored] | Mapping[str, Stored]) -> bytes:
    """The arrays as an NDArray list, with their names when a mapping is given.

    ValueError for a dtype MXNet does not have.
    """
    stream = io.BytesIO()
    write_arrays(stream, arrays)
    return stream.getvalue()


def write_arrays(stream: BinaryIO, arrays: Sequence[Stored] | Mapping[str, Stored]) -> None:
    """Write what `encode_arrays` returns, without a second copy of the arrays in memory."""
    values = list(arrays.values()) if isinstance(arrays, Mapping) else list(arrays)
    names = [name.encode() for name in arrays] if isinstance(arrays, Mapping) else []
    stream.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(values)))
    for value in values:
        if isinstance(value, RowSparse):
            _write_row_sparse(stream, value)
        else:
            _write_array(stream, value)
    stream.write(struct.pack("<Q", len(names)))
    stream.writelines(struct.pack("<Q", len(name)) + name for name in names)


def decode_arrays(data: bytes) -> list[NDArray[Any]] | dict[str, NDArray[Any]]:
    """The arrays of an NDArray list: a dict when they are named, else a list; sparse ones dense.

    ValueError when the bytes are no such list.
    """
    stored = decode_stored(data)
    if isinstance(stored, dict):
        return {name: _dense(value) for name, value in stored.items()}
    return [_dense(value) for value in stored]


def decode_stored(data: bytes) -> list[Stored] | dict[str, Stored]:
    """The arrays of an NDArray list as stored, dense or row-sparse; see `decode_arrays`."""
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


def _dense(value: Stored) -> NDArray[Any]:
    return value.toarray() if isinstance(value, RowSparse) else value


def _write_array(stream: BinaryIO, array: NDArray[Any]) -> None:
    little, flag = _little(array)
    stream.write(struct.pack("<Ii", ARRAY_MAGIC, _DENSE) + _shape(array.shape))
    stream.write(struct.pack("<iii", _CPU, 0, flag))
    stream.write(_bytes(little))


def _write_row_sparse(stream: BinaryIO, array: RowSparse) -> None:
    values, flag = _little(array.values)
    rows, rows_flag = _little(array.rows.astype(np.int64, copy=False))
    stream.write(struct.pack("<Ii", ARRAY_MAGIC, _ROW_SPARSE))
    stream.write(_shape(values.shape) + _shape(array.shape))
    stream.write(struct.pack("<iiii", _CPU, 0, flag, rows_flag) + _shape(rows.shape))
    stream.write(_bytes(values))
    stream.write(_bytes(rows))


def _little(array: NDArray[Any]) -> tuple[NDArray[Any], int]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    flag = _FLAGS.get(little.dtype)
    if flag is None:
        raise ValueError(f"MXNet has no dtype {array.dtype}")
    return little, flag


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _shape(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f"<I{len(shape)}q", len(shape), *shape)


def _decode_array(cursor: "_Cursor") -> Stored:
    magic, storage = cursor.take("<Ii")
    if magic != ARRAY_MAGIC or storage not in (_DENSE, _ROW_SPARSE):
        raise ValueError("not a dense or row-sparse MXNet array")
    stored_shape = cursor.shape() if storage == _ROW_SPARSE else None
    shape = cursor.shape()
    _, _, flag = cursor.take("<iii")
    if stored_shape is None:
        return cursor.array(shape, flag)
    (rows_flag,) = cursor.take("<i")
    rows_shape = cursor.shape()
    values = cursor.array(stored_shape, flag)
    rows = cursor.array(rows_shape, rows_flag)
    _check_row_sparse(rows, values, shape)
    return RowSparse(rows.astype(np.int64), values, shape)


def _check_row_sparse(rows: NDArray[Any], values: NDArray[Any], shape: tuple[int, ...]) -> None:
    fits = shape and rows.shape == values.shape[:1] and values.shape[1:] == shape[1:]
    if not fits or (rows.size and (rows.min() < 0 or rows.max() >= shape[0])):
        raise ValueError("a row-sparse MXNet array whose rows do not fit its shape")


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

    def shape(self) -> tuple[int, ...]:
        (dimensions,) = self.take("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise ValueError(f"an MXNet array of {dimensions} dimensions")
        return self.take(f"<{dimensions}q")

    def array(self, shape: tuple[int, ...], flag: int) -> NDArray[Any]:
        if flag not in _DTYPES or any(size < 0 for size in shape):
            raise ValueError("an MXNet array of unknown dtype or shape")
        dtype = _DTYPES[flag]
        size_bytes = dtype.itemsize
        for size in shape:
            size_bytes *= size
        return np.frombuffer(self.bytes(size_bytes), dtype).reshape(shape).copy()
