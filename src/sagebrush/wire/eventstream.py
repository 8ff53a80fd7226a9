"""Frames of `application/vnd.amazon.eventstream`: typed headers, a payload, two CRC-32s.

Layout, big-endian: total length, headers length, CRC of these 8 bytes (4 bytes each), headers,
payload, CRC of all before. A header is name length (1 byte), name, type (1 byte), value. See
https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
# Limits of the specification.
_MAX_HEADERS_BYTES = 128 * 1024
_MAX_PAYLOAD_BYTES = 24 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD_BYTES = _PRELUDE.size + _CRC.size
_TRUE, _FALSE, _BYTE, _SHORT, _INTEGER, _LONG, _BYTES, _STRING, _TIMESTAMP, _UUID = range(10)
_NUMBERS = {
    _BYTE: struct.Struct(">b"),
    _SHORT: struct.Struct(">h"),
    _INTEGER: struct.Struct(">i"),
    _LONG: struct.Struct(">q"),
}


class FrameError(ValueError):
    """The bytes are no frame, or a checksum does not match."""


class Milliseconds(int):
    """A timestamp header, in milliseconds since the epoch."""


class Long(int):
    """An integer header that is written with 8 bytes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: headers by name (str, bytes, bool, int, Milliseconds, UUID) and payload."""

    headers: dict[str, Any]
    payload: bytes


def encode_frame(headers: Mapping[str, Any], payload: bytes) -> bytes:
    """Return the bytes of one frame."""
    header_bytes = b"".join(_header(name, value) for name, value in headers.items())
    total = len(header_bytes) + len(payload) + _OVERHEAD_BYTES
    prelude = struct.pack(">II", total, len(header_bytes))
    message = b"".join((prelude, _CRC.pack(crc32(prelude)), header_bytes, payload))
    return message + _CRC.pack(crc32(message))


def _header(name: str, value: Any) -> bytes:
    encoded = name.encode()
    return bytes((len(encoded),)) + encoded + _value(value)


def _value(value: Any) -> bytes:
    if value is True:
        return bytes((_TRUE,))
    if value is False:
        return bytes((_FALSE,))
    if isinstance(value, str):
        content = value.encode()
        return struct.pack(">BH", _STRING, len(content)) + content
    if isinstance(value, bytes):
        return struct.pack(">BH", _BYTES, len(value)) + value
    if isinstance(value, Milliseconds):
        return struct.pack(">Bq", _TIMESTAMP, value)
    if isinstance(value, Long):
        return struct.pack(">Bq", _LONG, value)
    if isinstance(value, int):
        return struct.pack(">Bi", _INTEGER, value)
    if isinstance(value, UUID):
        return bytes((_UUID,)) + value.bytes
    raise TypeError(f"{type(value).__name__} is no event stream header")


class FrameDecoder:
    """Takes bytes in any portions and gives whole frames; raises `FrameError`."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, content: bytes) -> Iterator[Frame]:
        """Add bytes and yield the frames they complete."""
        self._buffer += content
        while len(self._buffer) >= _PRELUDE.size:
            total, headers_size, prelude_crc = _PRELUDE.unpack_from(self._buffer)
            if crc32(self._buffer[:8]) != prelude_crc:
                raise FrameError("the checksum of a prelude does not match")
            payload_size = total - headers_size - _OVERHEAD_BYTES
            if headers_size > _MAX_HEADERS_BYTES or not 0 <= payload_size <= _MAX_PAYLOAD_BYTES:
                raise FrameError("a frame's lengths are out of range")
            if len(self._buffer) < total:
                return
            message = bytes(self._buffer[:total])
            del self._buffer[:total]
            yield _frame(message, headers_size)

    def finish(self) -> None:
        """Raise `FrameError` when the stream ended inside a frame."""
        if self._buffer:
            raise FrameError("the stream ends inside a frame")


def _frame(message: bytes, headers_size: int) -> Frame:
    if crc32(message[:-4]) != _CRC.unpack_from(message, len(message) - 4)[0]:
        raise FrameError("the checksum of a frame does not match")
    start = _PRELUDE.size
    headers = _headers(message[start : start + headers_size])
    return Frame(headers, message[start + headers_size : -4])


def _headers(content: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    position = 0
    try:
        while position < len(content):
            end = position + 1 + content[position]
            name = content[position + 1 : end].decode()
            headers[name], position = _read_value(content, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        raise FrameError("a header is cut off or no text") from None
    if position != len(content):
        raise FrameError("a header reaches into the payload")
    return headers


def _read_value(content: bytes, position: int) -> tuple[Any, int]:
    kind = content[position]
    position += 1
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, position
    layout = _NUMBERS.get(kind)
    if layout is not None:
        return layout.unpack_from(content, position)[0], position + layout.size
    if kind in (_BYTES, _STRING):
        size = struct.unpack_from(">H", content, position)[0]
        end = position + 2 + size
        value = content[position + 2 : end]
        return (value if kind == _BYTES else value.decode()), end
    if kind == _TIMESTAMP:
        return Milliseconds(struct.unpack_from(">q", content, position)[0]), position + 8
    if kind == _UUID:
        if position + 16 > len(content):
            raise FrameError("a header is cut off")
        return UUID(bytes=content[position : position + 16]), position + 16
    raise FrameError(f"header type {kind} is unknown")
