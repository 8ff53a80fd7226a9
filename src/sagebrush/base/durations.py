"""Lengths of time as people type them: `90s`, `15m`, `1h30m`, `7d`."""

from __future__ import annotations

import re

from sagebrush.base.errors import ConfigurationError

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds that `text` says: numbers with the units d, h, m and s, largest first.

    Raises:
        ConfigurationError: it says something else.
    """
    parts = _PART.findall(text) if _FORM.fullmatch(text) else []
    order = [list(_UNITS_S).index(unit) for _, unit in parts]
    if not parts or order != sorted(set(order)):
        raise ConfigurationError(f"{text!r} is no length of time: 90s, 15m, 24h, 7d and 1h30m are")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Return seconds (to the second, or as they are below a minute) in the units of a parse."""
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    left, text = round(seconds), ""
    for unit, unit_s in _UNITS_S.items():
        number, left = divmod(left, unit_s)
        text += f"{number}{unit}" if number else ""
    return text
