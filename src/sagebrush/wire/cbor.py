"""CBOR (RFC 8949) as far as Smithy RPC v2 uses it.

Reads all definite and indefinite items, half to double floats and tag 1; writes definite items,
shortest integers and double floats. Big numbers (tags 2, 3, 4) have no shape in any model and are
refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from sagebrush.wire.dialects import NATIVE, Dialect

_BREAK = object()
_MAX_DEPTH = 200
_EPOCH_TAG = 1
_ARGUMENT_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_DOUBLE = _FLOATS[27]


class CborError(ValueError):
    """The bytes are no CBOR, or hold what this protocol does not allow."""


class Timestamp(float):
    """Epoch seconds that are written with tag 1."""

    __slots__ = ()


def _write_timestamp(form: str | None) -> Callable[[float], Any]:
    del form
    return Timestamp


DIALECT = Dialect(
    "cbor",
    renamed=True,
    read_timestamp=NATIVE.read_timestamp,
    read_blob=NATIVE.read_blob,
    write_blob=None,
    write_float=float,
    write_timestamp=_write_timestamp,
)


def decode(content: bytes) -> Any:
    """Return the one item that `content` is; raises `CborError`."""
    decoder = _Decoder(content)
    item = decoder.item(0)
    if decoder.position != len(content):
        raise CborError("bytes follow the end of the item")
    if item is _BREAK:
        raise CborError("a break without a beginning")
    return item


class _Decoder:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def _take(self, size: int) -> bytes:
        start = self.position
        self.position = start + size
        if self.position > len(self._content):
            raise CborError("the item is cut off")
        return self._content[start : self.position]

    def item(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise CborError("items are nested too deeply")
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._indefinite(major, depth)
        argument = self._argument(info)
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._take(argument)
        if major == 3:
            return _text(self._take(argument))
        if major == 4:
            self._check_count(argument)
            return [self._inner(depth) for _ in range(argument)]
        if major == 5:
            self._check_count(argument)
            return dict(self._pair(depth) for _ in range(argument))
        return self._tagged(argument, depth)

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        size = _ARGUMENT_SIZES.get(info)
        if size is None:
            raise CborError(f"additional information {info} is reserved")
        return int.from_bytes(self._take(size), "big")

    def _check_count(self, count: int) -> None:
        if count > len(self._content) - self.position:
            raise CborError("more items are announced than there are bytes")

    def _inner(self, depth: int) -> Any:
        item = self.item(depth + 1)
        if item is _BREAK:
            raise CborError("a break inside a definite item")
        return item

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self._inner(depth)
        if type(key) is not str:
            raise CborError("a map key is no text")
        return key, self._inner(depth)

    def _tagged(self, tag: int, depth: int) -> Any:
        value = self._inner(depth)
        if tag != _EPOCH_TAG or type(value) not in (int, float):
            raise CborError(f"tag {tag} is not supported here")
        return value

    def _simple(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        layout = _FLOATS.get(info)
        if layout is None:
            raise CborError(f"simple value {info} is not supported")
        return layout.unpack(self._take(layout.size))[0]

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (2, 3):
            chunks = list(self._until_break(depth))
            kind: type = bytes if major == 2 else str
            if not all(type(chunk) is kind for chunk in chunks):
                raise CborError("a string has chunks of another type")
            return kind().join(chunks)
        if major == 4:
            return list(self._until_break(depth))
        if major == 5:
            items = list(self._until_break(depth))
            if len(items) % 2 or not all(type(key) is str for key in items[::2]):
                raise CborError("a map needs pairs with text as keys")
            return dict(zip(items[::2], items[1::2], strict=True))
        raise CborError("only strings, lists and maps can be of indefinite length")

    def _until_break(self, depth: int) -> Any:
        while (item := self.item(depth + 1)) is not _BREAK:
            yield item


_SIMPLE = {20: False, 21: True, 22: None, 23: None, 31: _BREAK}


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise CborError(str(error)) from None


def encode(item: Any) -> bytes:
    """Return the bytes of a tree of dicts, lists, text, bytes, numbers, booleans, None."""
    out = bytearray()
    _encode(item, out)
    return bytes(out)


def _encode(item: Any, out: bytearray) -> None:
    kind = type(item)
    if kind is str:
        content = item.encode()
        _head(3, len(content), out)
        out += content
    elif kind is dict:
        _head(5, len(item), out)
        for key, value in item.items():
            _encode(key, out)
            _encode(value, out)
    elif kind is list:
        _head(4, len(item), out)
        for value in item:
            _encode(value, out)
    elif item is None:
        out.append(0xF6)
    elif kind is bool:
        out.append(0xF5 if item else 0xF4)
    elif kind is int:
        _head(0 if item >= 0 else 1, item if item >= 0 else -1 - item, out)
    elif kind is bytes:
        _head(2, len(item), out)
        out += item
    else:
        _encode_float(item, out)


def _encode_float(item: float, out: bytearray) -> None:
    if type(item) is Timestamp:
        out.append(0xC1)
        if item.is_integer():
            _encode(int(item), out)
            return
    elif type(item) is not float:
        raise TypeError(f"{type(item).__name__} has no CBOR form here")
    out.append(0xFB)
    out += _DOUBLE.pack(item)


def _head(major: int, argument: int, out: bytearray) -> None:
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for info, size in _ARGUMENT_SIZES.items():
        if argument < 1 << (8 * size):
            out.append(major << 5 | info)
            out += argument.to_bytes(size, "big")
            return
    raise OverflowError("an integer is larger than 64 bits")
