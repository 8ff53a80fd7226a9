"""Epoch seconds to and from the three timestamp forms of the wire formats.

Forms are named as in the models: `unixTimestamp`, `iso8601`, `rfc822`. Parsers raise `ValueError`.
"""

from __future__ import annotations

import calendar
import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3,9}, (\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}) (\d{2}):(\d{2}):(\d{2})(\.\d+)?"
    r" (?:GMT|UTC|\+0000|-0000)"
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
# Years 1 to 9999: what a calendar date can express.
_EARLIEST_S, _LATEST_S = -62135596800.0, 253402300799.999999


def parse_timestamp(text: str) -> float:
    """Return epoch seconds of ISO 8601, HTTP date or decimal text, whichever it is."""
    if _NUMBER.fullmatch(text):
        return checked(float(text))
    if text[:3].isalpha():
        return parse_http_date(text)
    return parse_iso8601(text)


def parse_iso8601(text: str) -> float:
    """Return epoch seconds; a time without offset is UTC."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.timestamp()
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None


def parse_http_date(text: str) -> float:
    """Return epoch seconds of `Wed, 21 Oct 2015 07:28:00 GMT`."""
    match = _HTTP_DATE.fullmatch(text)
    if match is None or match[2].title() not in _MONTHS:
        raise ValueError(f"{text!r} is no HTTP date")
    month = _MONTHS.index(match[2].title()) + 1
    moment = datetime(
        int(match[3]), month, int(match[1]), int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC
    )
    return calendar.timegm(moment.timetuple()) + float(match[7] or 0)


def checked(seconds: float) -> float:
    """Return `seconds` as float when a calendar date can express them."""
    if not _EARLIEST_S <= seconds <= _LATEST_S:
        raise ValueError(f"{seconds} is out of range")
    return float(seconds)


def format_iso8601(seconds: float) -> str:
    """Return `2020-01-31T12:00:00Z`, with milliseconds when there are any."""
    return format_iso8601_milliseconds(seconds).replace(".000Z", "Z")


def format_iso8601_milliseconds(seconds: float) -> str:
    """Return `2020-01-31T12:00:00.000Z`: always with milliseconds, for texts of one form."""
    milliseconds = math.floor(seconds * 1000 + 0.5)
    whole, fraction = divmod(milliseconds, 1000)
    t = time.gmtime(whole)
    text = f"{t[0]:04d}-{t[1]:02d}-{t[2]:02d}T{t[3]:02d}:{t[4]:02d}:{t[5]:02d}"
    return f"{text}.{fraction:03d}Z"


def format_http_date(seconds: float) -> str:
    """Return `Wed, 21 Oct 2015 07:28:00 GMT` (fractions are cut: the form has none)."""
    t = time.gmtime(math.floor(seconds))
    return (
        f"{_DAYS[t[6]]}, {t[2]:02d} {_MONTHS[t[1] - 1]} {t[0]:04d}"
        f" {t[3]:02d}:{t[4]:02d}:{t[5]:02d} GMT"
    )


def format_unix(seconds: float) -> str:
    """Return decimal epoch seconds, without a fraction when it is zero."""
    return str(int(seconds)) if seconds == int(seconds) else repr(round(seconds, 3))


_FORMATTERS: dict[str, Callable[[float], str]] = {
    "iso8601": format_iso8601,
    "rfc822": format_http_date,
    "unixtimestamp": format_unix,
}


def text_formatter(form: str) -> Callable[[float], str]:
    """Return the function that writes the named form as text."""
    return _FORMATTERS[form.lower()]
