"""Scalars written as text: headers, URI labels, query parameters, XML elements."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sagebrush.wire.dialects import Refused, decode_base64, read_float
from sagebrush.wire.model import Shape
from sagebrush.wire.timestamps import parse_timestamp

_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class ScalarError(ValueError):
    """The text is not of the shape's type."""


def scalar_reader(shape: Shape) -> Callable[[str], Any]:
    """Return the function that gives a value in our own form; it raises `ScalarError`."""
    return _READERS[shape.type]


def _integer(text: str) -> int:
    text = text.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    raise ScalarError(f"'{text}' is no integer")


def _float(text: str) -> float:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return read_float(text)
    except Refused:
        raise ScalarError(f"'{text}' is no number") from None


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    raise ScalarError(f"'{text}' is no boolean")


def _timestamp(text: str) -> float:
    try:
        return parse_timestamp(text.strip())
    except ValueError as error:
        raise ScalarError(str(error)) from None


def _blob(text: str) -> bytes:
    try:
        return decode_base64("".join(text.split()))
    except Refused:
        raise ScalarError("the value is no base64") from None


def _string(text: str) -> str:
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "blob": _blob,
    "boolean": _boolean,
    "double": _float,
    "float": _float,
    "integer": _integer,
    "long": _integer,
    "string": _string,
    "timestamp": _timestamp,
}
