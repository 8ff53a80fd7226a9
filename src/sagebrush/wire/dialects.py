"""How scalars look in the trees that the parsers of each format give.

A dialect turns the tree's form of a timestamp, blob or float into ours (epoch seconds, bytes,
float) and back. Functions raise `Refused` for a value of the wrong kind.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagebrush.wire.timestamps import checked, parse_timestamp, text_formatter

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Refused(Exception):
    """A value is not acceptable to its shape; `violations.explain` says why."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The scalars of one tree format.

    `renamed` says that structure members have their `locationName` in the tree. `write_*` are
    None where our own form is already the tree's.
    """

    name: str
    renamed: bool
    read_timestamp: Callable[[Any], float]
    read_blob: Callable[[Any], bytes]
    write_blob: Callable[[bytes], Any] | None
    write_float: Callable[[float], Any] | None
    write_timestamp: Callable[[str | None], Callable[[float], Any] | None]


def read_float(value: Any) -> float:
    """Return a float of a number or of the names of those that JSON has no literal for."""
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int:
        try:
            return float(value)
        except OverflowError:
            raise Refused from None
    if kind is str and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    raise Refused


def encode_base64(value: bytes) -> str:
    """Return base64 text."""
    return binascii.b2a_base64(value, newline=False).decode()


def decode_base64(value: Any) -> bytes:
    """Return the bytes of base64 text."""
    if type(value) is str:
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:  # also text with characters beyond ASCII
            raise Refused from None
    raise Refused


def float_text(value: float) -> float | str:
    """Return the value, or its name where JSON has no literal for it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _timestamp_of_number(value: Any) -> float:
    if type(value) is float or type(value) is int:
        try:
            return checked(value)
        except (ValueError, OverflowError):
            raise Refused from None
    raise Refused


def _timestamp_of_json(value: Any) -> float:
    if type(value) is str:
        try:
            return parse_timestamp(value)
        except ValueError:
            raise Refused from None
    return _timestamp_of_number(value)


def _bytes(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    raise Refused


def _json_timestamp_writer(form: str | None) -> Callable[[float], Any] | None:
    if form is None or form == "unixTimestamp":
        return None
    return text_formatter(form)


def _identity_timestamp_writer(form: str | None) -> None:
    del form


JSON = Dialect(
    "json",
    renamed=True,
    read_timestamp=_timestamp_of_json,
    read_blob=decode_base64,
    write_blob=encode_base64,
    write_float=float_text,
    write_timestamp=_json_timestamp_writer,
)

# What the query, XML and header decoders give: values already in our own form.
NATIVE = Dialect(
    "native",
    renamed=False,
    read_timestamp=_timestamp_of_number,
    read_blob=_bytes,
    write_blob=None,
    write_float=None,
    write_timestamp=_identity_timestamp_writer,
)
