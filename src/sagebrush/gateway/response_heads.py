"""Heads of responses as bytes."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from sagebrush.gateway.messages import Response

REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = frozenset({204, 304})
_LENGTH_NAME_BYTES = len("content-length")
# Behind the request id: the rest of its line, length, date, the blank line and what follows it.
_LINES_BEHIND = 5
_LENGTH = b"content-length: "


def response_head(
    response: Response, length: int | None, *, takes_chunks: bool, close: bool
) -> bytes:
    """Return the head of a response; `length` is its body's, None where only sending it tells."""
    status = response.status
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    stated = False
    for name, value in response.headers:
        if len(name) == _LENGTH_NAME_BYTES and name.lower() == "content-length":
            stated = True
        lines.append(f"{name}: {value}")
    if not stated and status not in _BODILESS:
        if length is not None:
            lines.append(f"content-length: {length}")
        elif takes_chunks:
            lines.append("transfer-encoding: chunked")
    if close:
        lines.append("connection: close")
    lines.append(f"date: {_date()}\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1", "replace")


def beginning_of(head: bytes, identifier: str) -> bytes | None:
    """Return what a response's head has before its request id, for `begun_head`.

    None where not only the body's length and the date come behind that.
    """
    before, _, after = head.partition(identifier.encode())
    lines = after.split(b"\r\n")
    if len(lines) != _LINES_BEHIND or lines[0] or not lines[1].startswith(_LENGTH):
        return None
    return before


def begun_head(beginning: bytes, identifier: str, length: int) -> bytes:
    """Return the head of a response like another one, but for request id, length and date."""
    return b"%b%b\r\ncontent-length: %d\r\ndate: %b\r\n\r\n" % (
        beginning,
        identifier.encode(),
        length,
        _date().encode(),
    )


_date_second = 0
_date_text = ""


def _date() -> str:
    """Return the current date header, formatted once a second."""
    global _date_second, _date_text
    second = int(time.time())
    if second != _date_second:
        _date_second, _date_text = second, formatdate(second, usegmt=True)
    return _date_text
