"""The numbers of located tensors as arrays."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from sagebrush.algorithms.formats.record_columns import Positions, TensorColumn
from sagebrush.algorithms.formats.record_fields import FLOAT32, FLOAT64
from sagebrush.algorithms.formats.varint import decode_varints

_SHORT_SPAN_BYTES = 64
_ITEM_BYTES = {FLOAT32: 4, FLOAT64: 8}
_DTYPE: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT64: np.dtype("<f8")}


def dense_rows(data: NDArray[np.uint8], column: TensorColumn) -> NDArray[np.float32] | None:
    """The values as a new (records, width) array, or None when the widths differ."""
    if column.kind not in _DTYPE:
        return _dense_integers(data, column)
    sizes = column.values_end - column.values_start
    size_bytes = int(sizes[0])
    if size_bytes % _ITEM_BYTES[column.kind]:
        raise ValueError("the values of a tensor do not fill whole numbers")
    if (sizes != size_bytes).any():
        return None
    raw = _equal_spans(data, column.values_start, size_bytes)
    return raw.view(_DTYPE[column.kind]).astype(np.float32, copy=False)


def ragged_values(
    data: NDArray[np.uint8], column: TensorColumn
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All values in one float32 run, and how many of them each record has (int64)."""
    if column.kind not in _DTYPE:
        numbers, counts = ragged_integers(data, column.values_start, column.values_end)
        return numbers.astype(np.int32).astype(np.float32), counts
    item_bytes = _ITEM_BYTES[column.kind]
    sizes = column.values_end - column.values_start
    if (sizes % item_bytes).any():
        raise ValueError("the values of a tensor do not fill whole numbers")
    run = _joined(data, column.values_start, column.values_end)
    return run.view(_DTYPE[column.kind]).astype(np.float32, copy=False), sizes // item_bytes


def ragged_integers(
    data: NDArray[np.uint8], starts: Positions, ends: Positions
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """All integers of the packed runs in one array, and how many each run has."""
    run = _joined(data, starts, ends)
    edges = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(ends - starts, out=edges[1:])
    last = run < 0x80
    nonempty = edges[1:] > edges[:-1]
    if not last[edges[1:][nonempty] - 1].all():
        raise ValueError("packed integers end inside a varint")
    counted = np.zeros(len(run) + 1, np.int64)
    np.cumsum(last, out=counted[1:])
    return decode_varints(run), np.diff(counted[edges])


def _dense_integers(data: NDArray[np.uint8], column: TensorColumn) -> NDArray[np.float32] | None:
    values, counts = ragged_values(data, column)
    if (counts != counts[0]).any():
        return None
    return values.reshape(len(counts), int(counts[0]))


def _equal_spans(data: NDArray[np.uint8], starts: Positions, size_bytes: int) -> NDArray[np.uint8]:
    """The spans of one size as a new (spans, size_bytes) array; evenly spaced ones are fastest."""
    count = len(starts)
    steps = np.diff(starts)
    if count < 2 or (steps == steps[0]).all():
        step = int(steps[0]) if count > 1 else size_bytes
        first = data[int(starts[0]) :]
        return as_strided(first, (count, size_bytes), (step, 1)).copy()
    if size_bytes <= _SHORT_SPAN_BYTES:
        spans: NDArray[np.uint8] = data[starts[:, None] + np.arange(size_bytes)]
        return spans
    rows = np.empty((count, size_bytes), np.uint8)
    for row, start in enumerate(starts.tolist()):
        rows[row] = data[start : start + size_bytes]
    return rows


def _joined(data: NDArray[np.uint8], starts: Positions, ends: Positions) -> NDArray[np.uint8]:
    """All spans one after the other in a new array."""
    sizes = ends - starts
    total = int(sizes.sum())
    if total <= _SHORT_SPAN_BYTES * len(starts):
        before = np.cumsum(sizes) - sizes
        run: NDArray[np.uint8] = data[np.arange(total) + np.repeat(starts - before, sizes)]
        return run
    view = data.data
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.frombuffer(b"".join([view[start:end] for start, end in spans]), np.uint8)
