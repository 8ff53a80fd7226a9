"""One protobuf Record at a time: reads any valid encoding and says what is wrong with others.

The message is ``aialgs.data.Record``: field 1 features and field 2 label are maps from a name to a
Value; 3 uid, 4 metadata and 5 configuration are strings. A Value holds one tensor: field 2 of
float32, 3 of float64, 7 of int32; a tensor has 1 values, 2 keys, 3 shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.formats.varint import decode_varints, encode_varint

FEATURES, LABEL, UID, METADATA, CONFIGURATION = 1, 2, 3, 4, 5
FLOAT32, FLOAT64, INT32, BYTES = 2, 3, 7, 9
DEFAULT_KEY = "values"

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


class WireField(NamedTuple):
    """One field of a message: its number, wire type, and where its content lies."""

    number: int
    wire_type: int
    start: int
    end: int


@dataclass
class Tensor:
    """A decoded tensor; ``keys`` are column indices when it is sparse, ``shape`` its dimensions."""

    values: NDArray[np.float32]
    keys: NDArray[np.int64] | None = None
    shape: NDArray[np.int64] | None = None

    @property
    def is_sparse(self) -> bool:
        """Whether the values are the non-zeros of a longer row."""
        if self.keys is not None and len(self.keys):
            return True
        return self.shape is not None and int(self.shape.prod()) != len(self.values)


@dataclass
class Record:
    """A decoded record; ``passthrough`` is its encoded uid and metadata, copied to responses."""

    features: dict[str, Tensor] = field(default_factory=dict)
    label: dict[str, Tensor] = field(default_factory=dict)
    passthrough: bytes = b""
    configuration: bytes = b""


def read_varint(data: bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    """The varint at ``position`` and the position after it; ValueError past ``end``."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError("the message ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a varint is longer than ten bytes")


def wire_fields(data: bytes | memoryview, start: int, end: int) -> Iterator[WireField]:
    """The fields of the message in ``data[start:end]``; ValueError where it is malformed."""
    while start < end:
        tag, start = read_varint(data, start, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            stop = read_varint(data, start, end)[1]
        elif wire_type == _FIXED64:
            stop = start + 8
        elif wire_type == _FIXED32:
            stop = start + 4
        elif wire_type == _DELIMITED:
            length, start = read_varint(data, start, end)
            stop = start + length
        else:
            raise ValueError(f"the message has a field of the unknown wire type {wire_type}")
        if number == 0:
            raise ValueError("the message has a field numbered 0")
        if stop > end:
            raise ValueError(f"field {number} reaches past the end of its message")
        yield WireField(number, wire_type, start, stop)
        start = stop


def read_record(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Record:
    """The Record in ``data[start:end]``; ValueError where it is not one."""
    record = Record()
    for wire in wire_fields(data, start, len(data) if end is None else end):
        if wire.wire_type != _DELIMITED:
            continue
        if wire.number in (FEATURES, LABEL):
            name, tensor = _map_entry(data, wire)
            target = record.features if wire.number == FEATURES else record.label
            if tensor is not None:
                target[name] = tensor
        elif wire.number in (UID, METADATA):
            content = bytes(data[wire.start : wire.end])
            record.passthrough += delimited(wire.number, content)
        elif wire.number == CONFIGURATION:
            record.configuration = bytes(data[wire.start : wire.end])
    return record


def delimited(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return encode_varint(number << 3 | _DELIMITED) + encode_varint(len(content)) + content


def _map_entry(data: bytes | memoryview, entry: WireField) -> tuple[str, Tensor | None]:
    name, tensor = "", None
    for wire in wire_fields(data, entry.start, entry.end):
        if wire.wire_type != _DELIMITED:
            continue
        if wire.number == 1:
            name = bytes(data[wire.start : wire.end]).decode("utf-8")
        elif wire.number == 2:
            tensor = _value(data, wire)
    return name, tensor


def _value(data: bytes | memoryview, value: WireField) -> Tensor | None:
    tensor = None
    for wire in wire_fields(data, value.start, value.end):
        if wire.number in (FLOAT32, FLOAT64, INT32) and wire.wire_type == _DELIMITED:
            tensor = _tensor(data, wire)
        elif wire.number == BYTES:
            raise ValueError("the record holds bytes where numbers are expected")
    return tensor


def _tensor(data: bytes | memoryview, tensor: WireField) -> Tensor:
    columns: dict[int, list[NDArray[Any]]] = {1: [], 2: [], 3: []}
    for wire in wire_fields(data, tensor.start, tensor.end):
        if wire.number in columns:
            kind = tensor.number if wire.number == 1 else INT32
            columns[wire.number].append(_numbers(data, wire, kind, wire.number != 1))
    return Tensor(
        _joined(columns[1], np.float32),
        _joined(columns[2], np.int64) if columns[2] else None,
        _joined(columns[3], np.int64) if columns[3] else None,
    )


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


def _numbers(data: bytes | memoryview, wire: WireField, kind: int, unsigned: bool) -> NDArray[Any]:
    """A packed run or a single number; protobuf readers must take either."""
    content = np.frombuffer(data, np.uint8, wire.end - wire.start, wire.start)
    if kind == INT32:
        if wire.wire_type not in (_VARINT, _DELIMITED):
            raise ValueError("a tensor of integers holds something else")
        numbers = decode_varints(content)
        return numbers.astype(np.int64) if unsigned else numbers.astype(np.int32)
    dtype, single = ("<f4", _FIXED32) if kind == FLOAT32 else ("<f8", _FIXED64)
    if wire.wire_type not in (single, _DELIMITED) or len(content) % np.dtype(dtype).itemsize:
        raise ValueError("the values of a tensor do not fill whole numbers")
    return content.view(dtype)
