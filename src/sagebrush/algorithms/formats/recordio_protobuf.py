"""RecordIO-protobuf, the native format of the first-party algorithms, to batches of rows."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.record_columns import (
    Positions,
    TensorColumn,
    UnusualLayoutError,
    locate,
)
from sagebrush.algorithms.formats.record_fields import DEFAULT_KEY, Record, Tensor, read_record
from sagebrush.algorithms.formats.record_values import dense_rows, ragged_integers, ragged_values
from sagebrush.algorithms.formats.recordio import (
    Frames,
    FramingError,
    find_frames,
    is_framed,
    read_frames,
)

MAX_ROW_WIDTH = 2**31 - 1
FEW_RECORDS = 8
"""Up to this many records are read faster one by one."""


class RecordError(ValueError):
    """A record that cannot be a row; ``index`` counts from the start of its group."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class DecodedRecords(NamedTuple):
    """Records of one request: their rows, and each one's encoded uid and metadata fields."""

    batch: Batch
    passthrough: list[bytes]


def read_blocks(stream: BinaryIO, name: str) -> Iterator[Batch]:
    """The rows of a stream of records, some megabytes at a time.

    ClientError names ``name`` and the record (counted from 0) that is cut off, malformed, or of
    another width than the others of its block.
    """
    index = 0
    try:
        for buffer, frames in read_frames(stream):
            if frames.split:
                raise FramingError(index, "a payload split in parts is not supported here")
            yield decode_group(buffer, frames.starts, frames.ends)
            index += len(frames.starts)
    except RecordError as error:
        raise _client_error(name, index + error.index, error) from error
    except FramingError as error:
        raise _client_error(name, error.index, error) from error


def decode(body: bytes, name: str = "request") -> DecodedRecords:
    """All records of a body; ClientError names the record that is cut off or malformed.

    A body may also be one record without its frame: that is what batch transform sends of RecordIO
    data with BatchStrategy SingleRecord (API reference of TransformInput, SplitType).
    """
    try:
        frames = _bare_record(body) or find_frames(body, len(body))
        if frames.consumed < len(body):
            raise FramingError(len(frames.starts), "the data ends inside the record")
        if not len(frames.starts):
            return DecodedRecords(Batch(np.empty((0, 0), np.float32)), [])
        if len(frames.starts) <= FEW_RECORDS:
            records = _read_singly(memoryview(body), frames.starts, frames.ends)
            kept = [record.passthrough for record in records]
            return DecodedRecords(_batch_of(records), kept if any(kept) else [])
        batch = decode_group(memoryview(body), frames.starts, frames.ends)
        return DecodedRecords(batch, _passthrough(body, frames.starts, frames.ends))
    except (RecordError, FramingError) as error:
        raise _client_error(name, error.index, error) from error


def _bare_record(body: bytes) -> Frames | None:
    """The bounds of a body that is a record without its frame; None for any other body.

    No message begins like a frame: the magic number's third byte would be a wire type there is not.
    """
    if is_framed(body):
        return None
    try:
        record = read_record(body)
    except ValueError:
        return None
    if not record.features:
        return None
    return Frames(np.array([0]), np.array([len(body)]), len(body), split=False)


def decode_group(buffer: memoryview, starts: Positions, ends: Positions) -> Batch:
    """The rows of the records ``buffer[starts:ends]``; RecordError for one that is none."""
    data = np.frombuffer(buffer, np.uint8)
    try:
        columns = locate(data, starts, ends)
        features = _feature_rows(data, columns.features)
        labels = None if columns.label is None else dense_rows(data, columns.label)
    except (UnusualLayoutError, ValueError):
        # Which record is at fault, or that none is, only shows one by one.
        return _decode_singly(buffer, starts, ends)
    if features is None or (columns.label is not None and labels is None):
        return _decode_singly(buffer, starts, ends)
    return Batch(features, _squeezed(labels))


def _client_error(name: str, index: int, reason: Exception) -> ClientError:
    return ClientError(f"Unable to read record {index} of {name}: {reason}.")


def _squeezed(labels: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    if labels is None or labels.shape[1] == 0:
        return None
    return labels[:, 0] if labels.shape[1] == 1 else labels


def _feature_rows(
    data: NDArray[np.uint8], column: TensorColumn
) -> NDArray[np.float32] | sparse.csr_matrix | None:
    """Dense or sparse rows; None if the group mixes both or dense widths."""
    has_keys = column.keys_end > column.keys_start
    has_shape = column.shape_end > column.shape_start
    if has_shape.all():
        return _sparse_rows(data, column)
    if has_keys.any() or has_shape.any():
        return None
    return dense_rows(data, column)


def _sparse_rows(
    data: NDArray[np.uint8], column: TensorColumn
) -> NDArray[np.float32] | sparse.csr_matrix | None:
    shapes, dimensions = ragged_integers(data, column.shape_start, column.shape_end)
    if (dimensions != 1).any() or (shapes != shapes[0]).any() or int(shapes[0]) > MAX_ROW_WIDTH:
        return None
    width = int(shapes[0])
    values, counts = ragged_values(data, column)
    keys, key_counts = ragged_integers(data, column.keys_start, column.keys_end)
    if (key_counts != counts).any():
        # A shape without keys is a dense row that states its width.
        if not len(keys) and (counts == width).all():
            return values.reshape(len(counts), width)
        return None
    if len(keys) and int(keys.max()) >= width:
        return None
    edges = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=edges[1:])
    matrix = sparse.csr_matrix((values, keys.astype(np.int32), edges), shape=(len(counts), width))
    matrix.sum_duplicates()
    return matrix


def _passthrough(body: bytes, starts: Positions, ends: Positions) -> list[bytes]:
    data = np.frombuffer(body, np.uint8)
    try:
        columns = locate(data, starts, ends)
    except UnusualLayoutError:
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        return [read_record(body, start, end).passthrough for start, end in bounds]
    if (columns.strings_start == columns.strings_end).all():
        return []
    bounds = zip(columns.strings_start.tolist(), columns.strings_end.tolist(), strict=True)
    return [read_record(body, start, end).passthrough for start, end in bounds]


def _decode_singly(buffer: memoryview, starts: Positions, ends: Positions) -> Batch:
    """Rows of records of any valid encoding; sparse if one of them is."""
    return _batch_of(_read_singly(buffer, starts, ends))


def _read_singly(buffer: memoryview, starts: Positions, ends: Positions) -> list[Record]:
    records = []
    for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        try:
            records.append(read_record(buffer, start, end))
        except ValueError as error:
            raise RecordError(index, str(error)) from error
    return records


def _batch_of(records: list[Record]) -> Batch:
    rows: list[Tensor] = []
    labels: list[Tensor | None] = []
    for index, record in enumerate(records):
        try:
            rows.append(_row(record))
        except ValueError as error:
            raise RecordError(index, str(error)) from error
        label = record.label.get(DEFAULT_KEY)
        labels.append(label if label is not None and len(label.values) else None)
    return Batch(_stacked(rows), _stacked_labels(labels))


def _row(record: Record) -> Tensor:
    row = record.features.get(DEFAULT_KEY)
    if row is None:
        raise ValueError("it has no feature tensor called 'values'")
    if not row.is_sparse:
        return row
    if row.keys is None or row.shape is None or len(row.shape) != 1:
        if row.keys is None and not len(row.values) and row.shape is not None:
            return Tensor(row.values, np.empty(0, np.int64), row.shape)
        raise ValueError("a sparse row needs keys and a shape of one dimension")
    if len(row.keys) != len(row.values):
        raise ValueError(f"it has {len(row.keys)} keys for {len(row.values)} values")
    if not 0 < int(row.shape[0]) <= MAX_ROW_WIDTH:
        raise ValueError(f"its shape {int(row.shape[0])} is out of range")
    outside = (row.keys < 0) | (row.keys >= row.shape[0])
    if outside.any():
        key = int(row.keys[outside][0])
        raise ValueError(f"its key {key} lies outside the shape {int(row.shape[0])}")
    return row


def _width(row: Tensor) -> int:
    return int(row.shape[0]) if row.is_sparse and row.shape is not None else len(row.values)


def _stacked(rows: list[Tensor]) -> NDArray[np.float32] | sparse.csr_matrix:
    width = _width(rows[0])
    for index, row in enumerate(rows):
        if _width(row) != width:
            raise RecordError(index, f"it has {_width(row)} features where others have {width}")
    if not any(row.is_sparse for row in rows):
        return np.stack([row.values for row in rows])
    every = np.arange(width)
    keys = [every if row.keys is None or not row.is_sparse else row.keys for row in rows]
    edges = np.cumsum([0, *(len(row.values) for row in rows)])
    matrix = sparse.csr_matrix(
        (np.concatenate([row.values for row in rows]), np.concatenate(keys), edges),
        shape=(len(rows), width),
    )
    matrix.sum_duplicates()
    return matrix


def _stacked_labels(labels: list[Tensor | None]) -> NDArray[np.float32] | None:
    if all(label is None for label in labels):
        return None
    width = 0 if labels[0] is None else len(labels[0].values)
    for index, label in enumerate(labels):
        count = 0 if label is None else len(label.values)
        if count != width:
            raise RecordError(index, f"it has {count} labels where others have {width}")
    return _squeezed(np.stack([label.values for label in labels if label is not None]))
