"""Many protobuf Records at once, in numpy steps over all of them instead of Python steps for each.

Protobuf writers lay out a Record in one way: features, then label, then strings, each a map of the
one key ``values``. A cursor for each record walks that layout; records laid out otherwise make the
whole group fall back to reading record by record.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.formats.record_fields import FLOAT32, FLOAT64, INT32

Positions = NDArray[np.int64]

_ENTRY_KEY = np.frombuffer(b"\x0a\x06values\x12", np.uint8)
_TAG_VALUES, _TAG_KEYS, _TAG_SHAPE = 0x0A, 0x12, 0x1A
_TAG_FEATURES, _TAG_LABEL = 0x0A, 0x12
_STRING_TAGS = (0x1A, 0x22, 0x2A)
_KIND_OF_TAG = {kind << 3 | 2: kind for kind in (FLOAT32, FLOAT64, INT32)}


class UnusualLayoutError(Exception):
    """The records are not all laid out the usual way; read them one by one."""


@dataclass(frozen=True)
class TensorColumn:
    """Where the tensors of a group of records lie; all bounds are int64 of shape (records,).

    ``kind`` is FLOAT32, FLOAT64 or INT32 for all of them.
    """

    kind: int
    values_start: Positions
    values_end: Positions
    keys_start: Positions
    keys_end: Positions
    shape_start: Positions
    shape_end: Positions


@dataclass(frozen=True)
class RecordColumns:
    """A group of records: their features, and their labels if they have any.

    ``strings_start`` and ``strings_end`` bound each record's uid, metadata and configuration.
    """

    features: TensorColumn
    label: TensorColumn | None
    strings_start: Positions
    strings_end: Positions


def locate(data: NDArray[np.uint8], starts: Positions, ends: Positions) -> RecordColumns:
    """Where everything lies in the records ``data[starts:ends]``.

    UnusualLayoutError if any record is laid out in another way or is malformed.
    """
    walker = _Walker(data, starts.copy())
    walker.expect(_TAG_FEATURES)
    features = walker.map_entry()
    label = None
    labelled = walker.at(_TAG_LABEL) & (walker.cursor < ends)
    if labelled.any():
        walker.require(labelled)
        walker.cursor += 1
        label = walker.map_entry()
    strings_start = walker.cursor.copy()
    walker.skip_strings(ends)
    walker.require(walker.cursor == ends)
    return RecordColumns(features, label, strings_start, ends)


class _Walker:
    """A cursor into each record of a group, all moved together."""

    def __init__(self, data: NDArray[np.uint8], cursor: Positions) -> None:
        self.data = data
        self.cursor = cursor

    def require(self, condition: NDArray[np.bool_]) -> None:
        if not condition.all():
            raise UnusualLayoutError

    def byte(self, positions: Positions) -> NDArray[np.uint8]:
        return self.data.take(positions, mode="clip")

    def at(self, tag: int) -> NDArray[np.bool_]:
        matches: NDArray[np.bool_] = self.byte(self.cursor) == tag
        return matches

    def expect(self, tag: int) -> None:
        self.require(self.at(tag))
        self.cursor += 1

    def length(self) -> Positions:
        """The varint under each cursor, at most four bytes since records are below 2**29."""
        first = self.byte(self.cursor)
        value = (first & 0x7F).astype(np.int64)
        self.cursor += 1
        more = first >= 0x80
        for shift in (7, 14, 21, 28):
            if not more.any():
                return value
            byte = self.byte(self.cursor)
            value += np.where(more, (byte & 0x7F).astype(np.int64) << shift, 0)
            self.cursor += more
            more &= byte >= 0x80
        raise UnusualLayoutError

    def map_entry(self) -> TensorColumn:
        """The entry ``values: tensor`` of a map."""
        length = self.length()
        entry_end = self.cursor + length
        for offset, expected in enumerate(_ENTRY_KEY.tolist()):
            self.require(self.byte(self.cursor + offset) == expected)
        self.cursor += len(_ENTRY_KEY)
        length = self.length()
        self.require(self.cursor + length == entry_end)
        tag = int(self.data[min(int(self.cursor[0]), len(self.data) - 1)])
        if tag not in _KIND_OF_TAG:
            raise UnusualLayoutError
        self.expect(tag)
        length = self.length()
        self.require(self.cursor + length == entry_end)
        values = self.optional_run(_TAG_VALUES, entry_end)
        keys = self.optional_run(_TAG_KEYS, entry_end)
        shape = self.optional_run(_TAG_SHAPE, entry_end)
        self.require(self.cursor == entry_end)
        return TensorColumn(_KIND_OF_TAG[tag], *values, *keys, *shape)

    def optional_run(self, tag: int, end: Positions) -> tuple[Positions, Positions]:
        """Bounds of the packed run under this tag, empty where a record has none."""
        present = (self.cursor < end) & self.at(tag)
        if not present.any():
            return self.cursor.copy(), self.cursor.copy()
        if present.all():
            self.cursor += 1
            length = self.length()
            start = self.cursor
            self.cursor = start + length
            return start, self.cursor.copy()
        rows = np.flatnonzero(present)
        part = _Walker(self.data, self.cursor[rows] + 1)
        length = part.length()
        start, stop = self.cursor.copy(), self.cursor.copy()
        start[rows] = part.cursor
        stop[rows] = part.cursor + length
        self.cursor = stop.copy()
        return start, stop

    def skip_strings(self, ends: Positions) -> None:
        """Move over uid, metadata and configuration."""
        for tag in _STRING_TAGS:
            _, self.cursor = self.optional_run(tag, ends)
