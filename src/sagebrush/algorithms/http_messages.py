"""HTTP/1.1 requests from bytes as they arrive, and responses to bytes.

Only what a model server needs, since its clients are the platform's gateway and ``curl``. Heads are
remembered by their bytes: a client that keeps its connection sends the same head again and again.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD_BYTES = 1 << 16
MAX_BODY_BYTES = 1 << 30
_REMEMBERED_HEADS = 512
_REMEMBERED_HEAD_BYTES = 1 << 12

_HEADER = re.compile(
    rb"\r\n(content-length|content-type|accept|connection|transfer-encoding|expect)[ \t]*:"
    rb"[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)",
    re.IGNORECASE,
)
_REQUEST_LINE = re.compile(rb"([A-Z]+) ([^ \r\n]+) HTTP/1\.([01])")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


class ProtocolError(Exception):
    """Bytes that are no request this server takes; the connection ends with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Head(NamedTuple):
    """The request line and the headers a model server looks at."""

    method: str
    path: str
    content_type: str
    accept: str
    content_length: int
    chunked: bool
    keep_alive: bool
    expects_continue: bool


_heads: dict[bytes, Head] = {}


def parse_head(block: bytes) -> Head:
    """The head in ``block``, which runs to the blank line inclusive; ProtocolError 400."""
    head = _heads.get(block)
    if head is None:
        head = _parse_head(block)
        if len(_heads) >= _REMEMBERED_HEADS:
            _heads.clear()
        if len(block) <= _REMEMBERED_HEAD_BYTES:
            _heads[block] = head
    return head


def _parse_head(block: bytes) -> Head:
    line = _REQUEST_LINE.match(block)
    if line is None or block[line.end() : line.end() + 2] != b"\r\n":
        raise ProtocolError(400, "malformed request line")
    headers: dict[str, str] = {}
    for name, value in _HEADER.findall(block):
        key = name.decode("ascii").lower()
        text = value.decode("latin-1")
        # Joined with a comma, two lengths or encodings are none that is taken.
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    connection = headers.get("connection", "").lower()
    is_newest = line[3] == b"1"
    return Head(
        method=line[1].decode("ascii"),
        path=line[2].decode("latin-1").partition("?")[0],
        content_type=headers.get("content-type", ""),
        accept=headers.get("accept", ""),
        content_length=_content_length(headers),
        chunked=_is_chunked(headers),
        keep_alive="close" not in connection if is_newest else "keep-alive" in connection,
        expects_continue=headers.get("expect", "").lower() == "100-continue",
    )


def _content_length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise ProtocolError(400, "malformed content-length")
    length = int(text)
    if length > MAX_BODY_BYTES:
        raise ProtocolError(413, "the body is too large")
    return length


def _is_chunked(headers: dict[str, str]) -> bool:
    encoding = headers.get("transfer-encoding", "").lower()
    if encoding and (encoding != "chunked" or "content-length" in headers):
        raise ProtocolError(400, "unsupported transfer-encoding")
    return encoding == "chunked"


class RequestParser:
    """Cuts the bytes of one connection into requests, however they arrive."""

    def __init__(self) -> None:
        self._data = b""
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._continued = False

    @property
    def is_idle(self) -> bool:
        """Whether no part of a further request has arrived."""
        return not self._data and self._head is None

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived."""
        head = self._head
        if head is not None and not head.chunked and not self._data:
            missing = head.content_length - self._size
            self._parts.append(data[:missing])
            self._size += min(len(data), missing)
            self._data = data[missing:]
        else:
            self._data = self._data + data if self._data else data

    def take_continue(self) -> bool:
        """Whether the client waits for ``100 Continue`` before it sends the body; true once."""
        head = self._head
        if head is None or not head.expects_continue or self._continued:
            return False
        self._continued = True
        return True

    def next_request(self) -> tuple[Head, bytes] | None:
        """The next whole request, or None until more bytes are fed; ProtocolError if it is none."""
        head = self._head
        if head is None:
            head = self._take_head()
            if head is None:
                return None
        if head.chunked:
            return self._next_chunked(head)
        if not self._parts and len(self._data) >= head.content_length:
            body = self._data[: head.content_length]
            self._data = self._data[head.content_length :]
            self._head = None
            return head, body
        return self._next_gathered(head)

    def _take_head(self) -> Head | None:
        data = self._data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > MAX_HEAD_BYTES:
                raise ProtocolError(431, "the request's head is too large")
            return None
        head = parse_head(data[:end])
        self._head = head
        self._data = data[end:]
        self._size = 0
        self._continued = False
        return head

    def _next_gathered(self, head: Head) -> tuple[Head, bytes] | None:
        if self._size < head.content_length:
            if self._data:
                data, self._data = self._data, b""
                self.feed(data)
            if self._size < head.content_length:
                return None
        return self._finish(head)

    def _finish(self, head: Head) -> tuple[Head, bytes]:
        body = b"".join(self._parts)
        self._parts = []
        self._head = None
        return head, body

    def _next_chunked(self, head: Head) -> tuple[Head, bytes] | None:
        while True:
            line, separator, rest = self._data.partition(b"\r\n")
            if not separator:
                if len(line) > MAX_HEAD_BYTES:
                    raise ProtocolError(400, "malformed chunk")
                return None
            match = _CHUNK_SIZE.fullmatch(line)
            if match is None:
                raise ProtocolError(400, "malformed chunk")
            size = int(match[1], 16)
            if size == 0:
                return self._end_chunks(head, rest)
            if len(rest) < size + 2:
                return None
            if rest[size : size + 2] != b"\r\n":
                raise ProtocolError(400, "malformed chunk")
            self._append_chunk(rest[:size])
            self._data = rest[size + 2 :]

    def _append_chunk(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            raise ProtocolError(413, "the body is too large")
        self._parts.append(chunk)

    def _end_chunks(self, head: Head, rest: bytes) -> tuple[Head, bytes] | None:
        """After the last chunk come trailers, which nobody reads, and a blank line."""
        if rest.startswith(b"\r\n"):
            self._data = rest[2:]
            return self._finish(head)
        end = rest.find(b"\r\n\r\n")
        if end < 0:
            return None
        self._data = rest[end + 4 :]
        return self._finish(head)


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_prefixes: dict[tuple[int, str, bool], bytes] = {}


def response_head(status: int, content_type: str, size_bytes: int, keep_alive: bool) -> bytes:
    """The head of a response whose body has ``size_bytes``."""
    key = (status, content_type, keep_alive)
    prefix = _prefixes.get(key)
    if prefix is None:
        connection = "" if keep_alive else "Connection: close\r\n"
        prefix = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n{connection}"
            f"Content-Type: {content_type}\r\nContent-Length: "
        ).encode("latin-1")
        if len(_prefixes) >= _REMEMBERED_HEADS:
            _prefixes.clear()
        _prefixes[key] = prefix
    if status == HTTPStatus.NO_CONTENT:
        return prefix.removesuffix(b"Content-Length: ") + b"\r\n"
    return b"%b%d\r\n\r\n" % (prefix, size_bytes)
