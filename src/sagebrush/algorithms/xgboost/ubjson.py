"""Reads Universal Binary JSON as xgboost writes it: typed arrays become numpy arrays.

Specification: https://ubjson.org. xgboost's models consist mostly of typed arrays (``[$d#``),
which are viewed, not looped over, so reading a model of megabytes takes milliseconds.
"""

import struct
from typing import Any

import numpy as np

_TYPED: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_SCALAR = {
    b"i": struct.Struct(">b"),
    b"U": struct.Struct(">B"),
    b"I": struct.Struct(">h"),
    b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"),
    b"d": struct.Struct(">f"),
    b"D": struct.Struct(">d"),
}
_CONSTANT = {b"T": True, b"F": False, b"Z": None}
_DEEPEST = 64


def decode(data: bytes) -> Any:
    """The document in the bytes; typed arrays as read-only big-endian numpy arrays.

    ValueError if the bytes are no UBJSON or end too early.
    """
    return _Reader(data).document()


def member_bytes(data: bytes, key: str) -> bytes | None:
    """The encoded value of a top-level member, a UBJSON document itself; None if there is none."""
    reader = _Reader(data)
    reader.expect(b"{")
    while not reader.at(b"}"):
        name = reader.text()
        start = reader.position
        reader.value(reader.marker(), 1)
        if name == key:
            return data[start : reader.position]
    return None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def document(self) -> Any:
        try:
            return self.value(self.marker(), 0)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"broken UBJSON at byte {self.position}: {error}") from error

    def take(self, size: int) -> bytes:
        start = self.position
        self.position += size
        if size < 0 or self.position > len(self.data):
            raise ValueError(f"broken UBJSON: the data ends inside byte {start}'s value")
        return self.data[start : self.position]

    def marker(self) -> bytes:
        return self.take(1)

    def at(self, marker: bytes) -> bool:
        if self.data[self.position : self.position + 1] != marker:
            return False
        self.position += 1
        return True

    def expect(self, marker: bytes) -> None:
        if not self.at(marker):
            raise ValueError(f"broken UBJSON: no {marker!r} at byte {self.position}")

    def scalar(self, marker: bytes) -> Any:
        layout = _SCALAR.get(marker)
        if layout is None:
            raise ValueError(f"broken UBJSON: marker {marker!r} at byte {self.position - 1}")
        return layout.unpack(self.take(layout.size))[0]

    def length(self) -> int:
        return int(self.scalar(self.marker()))

    def text(self) -> str:
        return self.take(self.length()).decode()

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("UBJSON nested too deeply")
        if marker in _CONSTANT:
            return _CONSTANT[marker]
        if marker in {b"S", b"H"}:
            return self.text()
        if marker == b"C":
            return self.take(1).decode()
        if marker == b"{":
            return self.mapping(depth)
        if marker == b"[":
            return self.sequence(depth)
        return self.scalar(marker)

    def mapping(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not self.at(b"}"):
            name = self.text()
            members[name] = self.value(self.marker(), depth + 1)
        return members

    def sequence(self, depth: int) -> Any:
        if self.at(b"$"):
            return self.typed_sequence(self.marker())
        if self.at(b"#"):
            return [self.value(self.marker(), depth + 1) for _ in range(self.length())]
        elements = []
        while not self.at(b"]"):
            elements.append(self.value(self.marker(), depth + 1))
        return elements

    def typed_sequence(self, marker: bytes) -> Any:
        self.expect(b"#")
        dtype = _TYPED.get(marker)
        if dtype is None:
            raise ValueError(f"broken UBJSON: arrays of {marker!r} are not supported")
        count = self.length()
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)
