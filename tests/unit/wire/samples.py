"""Random values that fit a shape, in our own form and in the form botocore takes and gives.

Patterns are not met (the models under test have theirs removed); lengths, ranges and enumerations
are. Lists, maps and structures are never empty: several protocols cannot express that.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from math import ceil, floor
from typing import Any

from sagebrush.wire.model import Shape

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
_RICH = _PLAIN + " &<>\"'/+=%#?;:,äß€漢𝄞\t\n"
_LOCATIONS = {"uri", "querystring", "header", "headers", "statusCode"}
_DEEPEST = 5
# What trees consist of; streams are left as they are.
_PLAIN_TYPES = (dict, list, str, bytes, bool, int, float, datetime)


class Sampler:
    """Draws values; the same seed draws the same."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def structure(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        """Return a structure with all required members and some of the others."""
        members = {n: m for n, m in shape.members.items() if not m.traits.get("eventstream")}
        names = list(members)
        if shape.traits.get("union"):
            flat = [n for n in names if members[n].type not in ("structure", "list", "map")]
            names = [self.random.choice(flat if flat and depth >= _DEEPEST else names)]
        else:
            share = 0.7 if depth < 2 else 0.3
            optional = 0.0 if depth >= _DEEPEST else share
            always = {*shape.required, shape.traits.get("payload")}
            always |= {n for n in names if members[n].location_name == "Content-Type"}
            always |= {n for n in names if members[n].traits.get("location") == "statusCode"}
            names = [n for n in names if n in always or self.random.random() < optional]
        drawn = {}
        for name in names:
            value = self.value(members[name], depth + 1)
            if value not in ({}, []) or name in shape.required or shape.traits.get("union"):
                drawn[name] = value
        if not drawn and depth < 2 * _DEEPEST:
            scalars = [n for n, m in members.items() if m.type not in ("structure", "list", "map")]
            for name in (scalars or list(members))[:1]:
                drawn = {name: self.value(members[name], depth + 1)}
        return drawn

    def value(self, shape: Shape, depth: int = 0) -> Any:
        """Return a value for any shape."""
        if shape.is_document:
            return {"any": [1, "two", None, {"three": 0.5}]}
        if shape.is_json_header:
            return {"a": [1, "é"]}
        if shape.type == "structure":
            return self.structure(shape, depth)
        if shape.type == "list":
            count = self._size(shape, 2)
            return [self.value(shape.element, depth + 1) for _ in range(count)]
        if shape.type == "map":
            wanted, drawn = self._size(shape, 2), {}
            for _ in range(20 * wanted):
                if len(drawn) < wanted:
                    key = self.value(shape.key)
                    if shape.traits.get("location") in _LOCATIONS:
                        key = "".join(c for c in key if c in _PLAIN).lower() or "k"
                    drawn[key] = self.value(shape.value, depth + 1)
            return drawn
        return self._scalar(shape)

    def _size(self, shape: Shape, usual: int) -> int:
        least, most = max(1, shape.traits.get("min", 1)), shape.traits.get("max", 1 << 30)
        return min(max(least, self.random.randint(1, usual)), most)

    def _scalar(self, shape: Shape) -> Any:
        kind, traits = shape.type, shape.traits
        if kind == "string":
            if traits.get("enum"):
                return self.random.choice(traits["enum"])
            if shape.name == "Expires":  # of S3, where it is a date for botocore, text for us
                return "Wed, 21 Oct 2015 07:28:00 GMT"
            size = self._size(shape, 12)
            if traits.get("hostLabel"):
                return "".join(self.random.choices(_PLAIN[:62], k=size))
            is_text = traits.get("location") in _LOCATIONS
            return "".join(self.random.choices(_PLAIN if is_text else _RICH, k=size))
        if kind == "blob":
            return self.random.randbytes(self._size(shape, 9))
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "timestamp":
            seconds = self.random.randint(0, 4_000_000_000)
            is_date = (
                traits.get("location") == "header" or traits.get("timestampFormat") == "rfc822"
            )
            return float(seconds) if is_date else seconds + 0.25
        if traits.get("location") == "statusCode":
            return 200
        least = ceil(traits.get("min", -(2**31) if kind in ("integer", "float") else -(2**53)))
        most = floor(traits.get("max", 2**20 if kind == "float" else 2**31 - 1))
        number = self.random.randint(max(least, most - 1000), most) if most >= least else least
        return number if kind in ("integer", "long") else float(number)


def for_botocore(shape: Shape, value: Any) -> Any:
    """Return our form of a value as botocore takes it: timestamps as datetimes."""
    return _map(shape, value, lambda seconds: datetime.fromtimestamp(seconds, UTC))


def from_botocore(shape: Shape, value: Any) -> Any:
    """Return what botocore parsed in our own form: timestamps as epoch seconds."""
    return _map(shape, value, lambda moment: moment.timestamp())


def _map(shape: Shape, value: Any, of_time: Any) -> Any:
    if value is None or shape.is_document or not isinstance(value, _PLAIN_TYPES):
        return value
    if shape.type == "structure":
        members = shape.members
        return {n: _map(members[n], v, of_time) if n in members else v for n, v in value.items()}
    if shape.type == "list":
        return [_map(shape.element, item, of_time) for item in value]
    if shape.type == "map":
        return {key: _map(shape.value, item, of_time) for key, item in value.items()}
    if shape.name == "Expires" and isinstance(value, datetime):
        return value.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return of_time(value) if shape.type == "timestamp" else value
