"""The filter policy language: which notices a subscription gets.

A policy names properties and lists what their value may be; every property must fit. Operators and
limits: "Amazon SNS subscription filter policies", Amazon SNS Developer Guide.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from sagebrush.engines.topics.errors import FilterError
from sagebrush.engines.topics.records import Notice

_OR = "$or"
_MAXIMUM_KEYS = 5
_MAXIMUM_COMBINATIONS = 150
_LIMIT = 10**9
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
# Stands for a property that is not there: no value equals it.
_ABSENT = object()


def matches(policy: dict[str, Any], notice: Notice, *, in_body: bool) -> bool:
    """Whether a notice's attributes, or the JSON of its body, fit a policy.

    A body that is no JSON object fits none.
    """
    if not in_body:
        return _fits(policy, {name: _value(one) for name, one in notice.attributes.items()})
    try:
        body = json.loads(notice.body)
    except ValueError:
        return False
    return isinstance(body, dict) and _fits(policy, body)


def check(policy: Any, *, in_body: bool) -> None:
    """Refuse what is no filter policy.

    Raises:
        FilterError: with the reason.
    """
    if not isinstance(policy, dict):
        raise FilterError("failed to parse JSON.")
    keys, combinations = _check_node(policy, in_body=in_body)
    if keys > _MAXIMUM_KEYS:
        raise FilterError("Filter policy can not have more than 5 keys")
    if combinations > _MAXIMUM_COMBINATIONS:
        raise FilterError("Filter policy is too complex")


def _value(attribute: dict[str, str]) -> Any:
    """Return an attribute as JSON would have it; an array's text becomes a list."""
    kind, text = attribute["type"], attribute["value"]
    if kind == "Number" or kind.startswith("Number."):
        return float(text)
    if kind == "String.Array":
        try:
            return json.loads(text)
        except ValueError:
            return text
    # Binary values take no part in filtering.
    return _ABSENT if kind.startswith("Binary") else text


def _fits(policy: dict[str, Any], node: Any) -> bool:
    if isinstance(node, list):
        # Of several objects one has to fit as a whole.
        return any(_fits(policy, item) for item in node if isinstance(item, dict))
    if not isinstance(node, dict):
        node = {}
    return all(_fits_key(key, wanted, node) for key, wanted in policy.items())


def _fits_key(key: str, wanted: Any, node: dict[str, Any]) -> bool:
    if key == _OR and isinstance(wanted, list) and all(isinstance(one, dict) for one in wanted):
        return any(_fits(alternative, node) for alternative in wanted)
    found = node.get(key, _ABSENT)
    if isinstance(wanted, dict):
        return _fits(wanted, found)
    if isinstance(found, dict):
        found = _ABSENT
    return any(_fits_rule(rule, found) for rule in wanted)


def _fits_rule(rule: Any, found: Any) -> bool:
    if isinstance(rule, dict) and "exists" in rule:
        return (found is not _ABSENT) is rule["exists"]
    values = _flat(found) if isinstance(found, list) else iter((found,))
    return any(_fits_value(rule, value) for value in values if value is not _ABSENT)


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _fits_value(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return _equal(rule, value)
    ((operator, operand),) = rule.items()
    return _OPERATORS[operator](operand, value)


def _equal(wanted: Any, value: Any) -> bool:
    """Whether two JSON scalars are the same: true is not 1, "1" is not 1."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if _is_number(wanted) and _is_number(value):
        return math.isclose(wanted, value, rel_tol=0.0, abs_tol=5e-6)
    return type(wanted) is type(value) and bool(wanted == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _prefix(operand: Any, value: Any) -> bool:
    if isinstance(operand, dict):
        return isinstance(value, str) and value.lower().startswith(
            operand["equals-ignore-case"].lower()
        )
    return isinstance(value, str) and value.startswith(operand)


def _suffix(operand: Any, value: Any) -> bool:
    if isinstance(operand, dict):
        return isinstance(value, str) and value.lower().endswith(
            operand["equals-ignore-case"].lower()
        )
    return isinstance(value, str) and value.endswith(operand)


def _anything_but(operand: Any, value: Any) -> bool:
    refused = operand if isinstance(operand, list) else [operand]
    return not any(_fits_value(rule, value) for rule in refused)


def _ignoring_case(operand: str, value: Any) -> bool:
    return isinstance(value, str) and value.lower() == operand.lower()


def _numeric(operand: list[Any], value: Any) -> bool:
    if not _is_number(value):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(_COMPARISONS[name](value, limit) for name, limit in pairs)


def _within_network(operand: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return False


def _wildcard(operand: str, value: Any) -> bool:
    return isinstance(value, str) and bool(_wildcard_pattern(operand).fullmatch(value))


@functools.lru_cache(maxsize=256)
def _wildcard_pattern(text: str) -> re.Pattern[str]:
    """Return the expression of a text with `*` for anything; a backslash takes the meaning away."""
    parts = re.findall(r"\\[*\\]|\*+|[^*\\]+|\\", text)
    return re.compile(
        "".join(
            ".*" if part.startswith("*") else re.escape(part.removeprefix("\\") or part)
            for part in parts
        ),
        re.DOTALL,
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "anything-but": _anything_but,
    "equals-ignore-case": _ignoring_case,
    "numeric": _numeric,
    "cidr": _within_network,
    "wildcard": _wildcard,
}


def _check_node(policy: dict[str, Any], *, in_body: bool, depth: int = 1) -> tuple[int, int]:
    """Return how many keys a policy has and how many combinations of values; raises FilterError."""
    keys, combinations = 0, 1
    for key, wanted in policy.items():
        if key == _OR and isinstance(wanted, list):
            inner = [_check_alternative(one, in_body=in_body, depth=depth) for one in wanted]
            if len(inner) < 2:
                raise FilterError('"$or" needs at least two alternatives')
            keys += sum(count for count, _ in inner)
            combinations *= sum(number for _, number in inner)
        elif isinstance(wanted, dict):
            if not in_body:
                raise FilterError("Filter policy scope MessageAttributes does not support nested")
            count, number = _check_node(wanted, in_body=in_body, depth=depth + 1)
            keys, combinations = keys + count, combinations * number
        elif isinstance(wanted, list) and wanted:
            for rule in wanted:
                _check_rule(key, rule, in_body=in_body)
            # A value counts as often as it is deep: the guide's rule for complexity.
            keys, combinations = keys + 1, combinations * len(wanted) * depth
        else:
            raise FilterError(f'"{key}" must be an object or a non-empty array')
    return keys, combinations


def _check_alternative(policy: Any, *, in_body: bool, depth: int) -> tuple[int, int]:
    if not isinstance(policy, dict) or not policy:
        raise FilterError('"$or" takes objects only')
    return _check_node(policy, in_body=in_body, depth=depth)


def _check_rule(key: str, rule: Any, *, in_body: bool) -> None:
    if isinstance(rule, list):
        raise FilterError("Match value must be String, number, true, false, or null")
    if not isinstance(rule, dict):
        if not in_body and (rule is None):
            raise FilterError(f'"{key}": null is for the scope MessageBody')
        _check_number(rule)
        return
    if len(rule) != 1:
        raise FilterError("Only one key allowed in match expression")
    ((operator, operand),) = rule.items()
    if operator == "exists":
        if not isinstance(operand, bool):
            raise FilterError("exists match pattern must be either true or false.")
        return
    checker = _CHECKS.get(operator)
    if checker is None:
        raise FilterError(f"Unrecognized match type {operator}")
    checker(operator, operand)


def _check_number(value: Any) -> None:
    if _is_number(value) and not -_LIMIT <= value <= _LIMIT:
        raise FilterError(f"Value of number is out of range: {value}")


def _check_text(operator: str, operand: Any) -> None:
    if not isinstance(operand, str):
        raise FilterError(f"{operator} match pattern must be a string")


def _check_end(operator: str, operand: Any) -> None:
    if isinstance(operand, dict):
        if list(operand) != ["equals-ignore-case"]:
            raise FilterError(f"{operator} match pattern must be a string")
        operand = operand["equals-ignore-case"]
    _check_text(operator, operand)


def _check_network(operator: str, operand: Any) -> None:
    _check_text(operator, operand)
    try:
        ipaddress.ip_network(operand, strict=False)
    except ValueError:
        raise FilterError(f"Malformed CIDR, {operand}") from None


def _check_numeric(operator: str, operand: Any) -> None:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise FilterError(f"Invalid member in {operator} match: an operator and a number")
    names, limits = operand[::2], operand[1::2]
    if not all(isinstance(name, str) and name in _COMPARISONS for name in names):
        raise FilterError(f"Unrecognized numeric range operator: {names[0]}")
    if not all(map(_is_number, limits)):
        raise FilterError(f"Value of {names[0]} must be numeric")
    for limit in limits:
        _check_number(limit)
    if len(names) == 2:
        if names[0] not in (">", ">=") or names[1] not in ("<", "<="):
            raise FilterError("Bad numeric range operators")
        if limits[0] >= limits[1]:
            raise FilterError("Bottom must be less than top")


def _check_anything_but(operator: str, operand: Any) -> None:
    if isinstance(operand, dict):
        _check_rule(operator, operand, in_body=True)
        if not operand.keys() <= {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise FilterError(f"Unsupported {operator} pattern: {next(iter(operand))}")
        return
    values = operand if isinstance(operand, list) else [operand]
    if not values or not all(isinstance(one, str) or _is_number(one) for one in values):
        raise FilterError(f"{operator} match pattern takes strings or numbers")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "prefix": _check_end,
    "suffix": _check_end,
    "equals-ignore-case": _check_text,
    "wildcard": _check_text,
    "cidr": _check_network,
    "numeric": _check_numeric,
    "anything-but": _check_anything_but,
}
