"""Arrays to RecordIO-protobuf, byte for byte as the SageMaker Python SDK writes it."""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.formats.record_fields import (
    DEFAULT_KEY,
    FEATURES,
    FLOAT32,
    FLOAT64,
    INT32,
    LABEL,
    delimited,
)
from sagebrush.algorithms.formats.recordio import frame
from sagebrush.algorithms.formats.varint import encode_varints

_KIND_OF_DTYPE = {
    np.dtype(np.int64): INT32,
    np.dtype(np.int32): INT32,
    np.dtype(np.float64): FLOAT64,
    np.dtype(np.float32): FLOAT32,
}


def write_dense(
    stream: BinaryIO, features: NDArray[Any], labels: NDArray[Any] | None = None
) -> None:
    """Write the (rows, width) array as dense records, with a label each if given.

    float32, float64 and integer arrays keep their type (integers as int32); ValueError for others,
    and when the numbers of rows and labels differ.
    """
    _check_labels(features, labels)
    for index in range(features.shape[0]):
        entries = map_entry(FEATURES, DEFAULT_KEY, tensor(features[index]))
        stream.write(frame(entries + _label(labels, index)))


def write_sparse(
    stream: BinaryIO, features: sparse.csr_matrix, labels: NDArray[Any] | None = None
) -> None:
    """Write the rows of a sparse matrix as sparse records; see ``write_dense``."""
    _check_labels(features, labels)
    matrix = sparse.csr_matrix(features)
    shape = np.array([matrix.shape[1]], np.uint64)
    for index in range(matrix.shape[0]):
        span = slice(matrix.indptr[index], matrix.indptr[index + 1])
        row = tensor(matrix.data[span], matrix.indices[span].astype(np.uint64), shape)
        stream.write(frame(map_entry(FEATURES, DEFAULT_KEY, row) + _label(labels, index)))


def encode_outputs(outputs: Mapping[str, NDArray[Any]], passthrough: Sequence[bytes] = ()) -> bytes:
    """One record per row with each output under its name in the label map, as float32.

    ``passthrough`` holds each row's encoded uid and metadata, if there are any.
    """
    columns = {name: np.asarray(column, "<f4") for name, column in outputs.items()}
    rows = len(next(iter(columns.values())))
    if not rows:
        return b""
    columns = {name: column.reshape(len(column), -1) for name, column in columns.items()}
    payloads = _output_payloads(columns, rows)
    if not passthrough:
        # All records are as long as the first one, so they are framed together.
        framed = np.frombuffer(frame(payloads[0].tobytes()), np.uint8)
        records = np.tile(framed, (rows, 1))
        records[:, 8 : 8 + payloads.shape[1]] = payloads
        return records.tobytes()
    pairs = zip(payloads, passthrough, strict=True)
    return b"".join(frame(payload.tobytes() + strings) for payload, strings in pairs)


def _output_payloads(columns: Mapping[str, NDArray[np.float32]], rows: int) -> NDArray[np.uint8]:
    """The encoded label maps, one row each: they differ in their values' bytes only."""
    parts = []
    for name, column in columns.items():
        size_bytes = column.shape[1] * 4
        first = np.frombuffer(map_entry(LABEL, name, tensor(column[0])), np.uint8)
        entries = np.tile(first, (rows, 1))
        # The values are the last thing in their entry.
        values = np.ascontiguousarray(column).view(np.uint8)
        entries[:, len(first) - size_bytes :] = values
        parts.append(entries)
    return np.concatenate(parts, axis=1)


def tensor(
    values: NDArray[Any],
    keys: NDArray[np.uint64] | None = None,
    shape: NDArray[np.uint64] | None = None,
) -> bytes:
    """An encoded Value with the tensor; ValueError for a dtype the format does not have."""
    kind = _KIND_OF_DTYPE.get(values.dtype)
    if kind is None:
        raise ValueError(f"Unsupported dtype {values.dtype} on array")
    content = b""
    if values.size:
        content += delimited(1, _packed(values, kind))
    if keys is not None and keys.size:
        content += delimited(2, encode_varints(keys).tobytes())
    if shape is not None and shape.size:
        content += delimited(3, encode_varints(shape).tobytes())
    return delimited(kind, content)


def map_entry(number: int, name: str, value: bytes) -> bytes:
    """An encoded entry of the map field ``number``."""
    return delimited(number, delimited(1, name.encode()) + delimited(2, value))


def _packed(values: NDArray[Any], kind: int) -> bytes:
    if kind != INT32:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    narrow = values.astype(np.int32)
    if (narrow != values).any():
        raise ValueError("integers of a record must fit 32 bits")
    return encode_varints(narrow.astype(np.int64).astype(np.uint64)).tobytes()


def _check_labels(features: Any, labels: NDArray[Any] | None) -> None:
    if labels is None:
        return
    if len(labels.shape) != 1:
        raise ValueError("Labels must be a Vector")
    if labels.shape[0] != features.shape[0]:
        raise ValueError(f"Label shape {labels.shape} not compatible with {features.shape}")


def _label(labels: NDArray[Any] | None, index: int) -> bytes:
    if labels is None:
        return b""
    return map_entry(LABEL, DEFAULT_KEY, tensor(labels[index : index + 1]))
