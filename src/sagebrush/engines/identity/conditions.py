"""Condition operators of policies.

Semantics: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs.
multivalued context keys": values of one key are alternatives, keys and operators must all hold,
and a negated operator holds when no alternative matches.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
Test = Callable[[str, str], bool]


@lru_cache(maxsize=4096)
def wildcard(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Return the regular expression of a pattern where `*` is any text and `?` one character.

    Between two `*` the first place that fits is taken for good (an atomic group): it leaves the
    most text for what follows, and a pattern of many `*` cannot take exponential time.
    """
    first, *rest = (
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in pattern.split("*")
    )
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    last = f".*{rest[-1]}" if rest else ""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile(first + middle + last, flags)


def substitute(text: str, context: Mapping[str, Sequence[str]]) -> str | None:
    """Return `text` with its `${variables}` replaced; None when one is unknown."""
    if "${" not in text:
        return text
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        key, _, default = match[1].partition(",")
        if key in ("*", "?", "$"):
            return key
        values = context.get(key.strip().lower())
        if values and len(values) == 1:
            return values[0]
        if default:
            return default.strip().strip("'")
        missing = True
        return ""

    replaced = _VARIABLE.sub(value_of, text)
    return None if missing else replaced


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator applied to one context key; `values` are its alternatives."""

    operator: str
    negated: bool
    if_exists: bool
    quantifier: str  # "", "ForAllValues" or "ForAnyValue"
    key: str  # lower case
    values: tuple[str, ...]

    def holds(self, context: Mapping[str, Sequence[str]]) -> bool:
        """Return whether the condition is met; `context` maps lower-case keys to values."""
        given = context.get(self.key)
        if self.operator == "Null":
            return any((value.lower() == "true") == (not given) for value in self.values)
        if not given:
            return self.if_exists or self.negated or self.quantifier == "ForAllValues"
        wanted = [v for v in (substitute(value, context) for value in self.values) if v is not None]
        test = _TESTS[self.operator]
        met = [self.negated != any(test(value, pattern) for pattern in wanted) for value in given]
        if self.quantifier == "ForAllValues" or (self.negated and not self.quantifier):
            return all(met)
        return any(met)

    def missing_key(self, context: Mapping[str, Sequence[str]]) -> str | None:
        """Return the key the condition would need and `context` lacks."""
        return None if self.operator == "Null" or self.key in context else self.key


def parse_conditions(given: Any) -> tuple[Condition, ...]:
    """Return the conditions of a statement's `Condition` block.

    Raises:
        ValueError: no block of conditions, or an unknown operator; the text is AWS's.
    """
    if not isinstance(given, dict):
        raise ValueError("Syntax errors in policy.")
    conditions = []
    for name, pairs in given.items():
        operator, negated, if_exists, quantifier = _operator(name)
        if not isinstance(pairs, dict):
            raise ValueError("Syntax errors in policy.")
        for key, values in pairs.items():
            texts = tuple(_text(v) for v in (values if isinstance(values, list) else [values]))
            conditions.append(
                Condition(operator, negated, if_exists, quantifier, key.lower(), texts)
            )
    return tuple(conditions)


def _operator(name: str) -> tuple[str, bool, bool, str]:
    quantifier, _, rest = name.rpartition(":")
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise ValueError(f"Invalid Condition type : {name}.")
    if_exists = rest.endswith("IfExists")
    operator = rest.removesuffix("IfExists")
    positive = _NEGATIONS.get(operator, operator)
    if positive not in _TESTS and positive != "Null":
        raise ValueError(f"Invalid Condition type : {name}.")
    return positive, operator in _NEGATIONS, if_exists, quantifier


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("Syntax errors in policy.")


def _numeric(compare: Callable[[float, float], bool]) -> Test:
    def test(value: str, wanted: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return test


def _dated(compare: Callable[[float, float], bool]) -> Test:
    def test(value: str, wanted: str) -> bool:
        try:
            return compare(_epoch(value), _epoch(wanted))
        except ValueError:
            return False

    return test


def _epoch(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _arn_like(value: str, wanted: str) -> bool:
    values, patterns = value.split(":", 5), wanted.split(":", 5)
    return len(values) == len(patterns) == 6 and all(
        wildcard(pattern).fullmatch(part) for part, pattern in zip(values, patterns, strict=True)
    )


_TESTS: dict[str, Test] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": lambda value, wanted: wildcard(wanted).fullmatch(value) is not None,
    "NumericEquals": _numeric(lambda a, b: a == b),
    "NumericLessThan": _numeric(lambda a, b: a < b),
    "NumericLessThanEquals": _numeric(lambda a, b: a <= b),
    "NumericGreaterThan": _numeric(lambda a, b: a > b),
    "NumericGreaterThanEquals": _numeric(lambda a, b: a >= b),
    "DateEquals": _dated(lambda a, b: a == b),
    "DateLessThan": _dated(lambda a, b: a < b),
    "DateLessThanEquals": _dated(lambda a, b: a <= b),
    "DateGreaterThan": _dated(lambda a, b: a > b),
    "DateGreaterThanEquals": _dated(lambda a, b: a >= b),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "BinaryEquals": lambda value, wanted: value == wanted,
    "IpAddress": _in_network,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
}

_NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
