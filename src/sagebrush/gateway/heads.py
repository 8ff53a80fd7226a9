"""Heads of requests that are alike but for what a client writes anew each time."""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE_END = b"\r\n"
_END_OF_HEAD = b"\r\n\r\n"
_LONGEST_HEAD_BYTES = 8192
# What the rest of a line may be, and that of the line with the body's length. A signature that says
# how the body is streamed changes what the body is.
_ANYTHING = rb"(?![ \t]*(?i:streaming))[\t -~\x80-\xff]*+"
_NUMBER = rb" *+([0-9]{1,9})"
_LENGTH = b"content-length:"
_CREDENTIAL = b"authorization:"
# What says nothing of where a request leads.
_PASSING = (
    b"x-amz-date:",
    b"amz-sdk-invocation-id:",
    b"amz-sdk-request:",
    b"x-amz-content-sha256:",
    b"x-amzn-trace-id:",
)
# What changes how the bytes behind it are read, or what becomes of the connection.
_NOT_PLAIN = (
    b" ",
    b"\t",
    b"transfer-encoding",
    b"expect",
    b"upgrade",
    b"connection",
    b"proxy-connection",
    b"content-encoding",
    b"content-length",
)
_STREAMED = b"streaming"


class HeadPattern(NamedTuple):
    """What heads that are alike have in common.

    `expression` matches them, and has the body's length as its group. `kept` are the lines that
    lead somewhere, without what differs of them.
    """

    expression: bytes
    kept: bytes

    @classmethod
    def of(cls, data: bytes) -> HeadPattern | None:
        """Return the pattern of a request's head; None where that is not whole, or not plain."""
        head, found, _ = data.partition(_END_OF_HEAD)
        if not found or len(head) > _LONGEST_HEAD_BYTES:
            return None
        expressions: list[bytes] = []
        kept: list[bytes] = []
        lengths = 0
        for line in head.split(_LINE_END):
            lowered = line.lower()
            if lowered.startswith(_LENGTH):
                lengths += 1
                expressions.append(re.escape(line[: len(_LENGTH)]) + _NUMBER)
            elif lowered.startswith(_PASSING):
                if _STREAMED in lowered:
                    return None
                expressions.append(re.escape(line[: line.index(b":") + 1]) + _ANYTHING)
            elif lowered.startswith(_CREDENTIAL):
                # Behind the credential come the signature and what it covers.
                credential, comma, _ = line.partition(b",")
                if not comma:
                    return None
                expressions.append(re.escape(credential + comma) + _ANYTHING)
                kept.append(credential)
            elif lowered.startswith(_NOT_PLAIN):
                return None
            else:
                expressions.append(re.escape(line))
                kept.append(line)
        if lengths != 1:
            return None
        expression = _LINE_END.join([*expressions, _LINE_END])
        return cls(expression, _LINE_END.join(kept))


def body_behind(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """Return the body of `data` if that is exactly one request with such a head, else None."""
    found = pattern.match(data)
    if found is None:
        return None
    end = found.end()
    return data[end:] if len(data) - end == int(found[1]) else None


class Head(NamedTuple):
    """What a head says; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]


def parsed_head(kept: bytes) -> Head | None:
    """Return what the kept lines of a head say; None unless each of them is quite plain."""
    first, *lines = kept.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if version != "HTTP/1.1" or not target.isascii() or not target.isprintable() or "?" in target:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        is_token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not colon or not is_token or name in headers or not value.isprintable():
            return None
        headers[name] = value.strip(" ")
    return Head(method, target, headers)
