"""Search expressions, evaluated on resources in wire form.

A property name is a path through the resource (`ResourceConfig.InstanceType`); a step through a
list means any of its items. `Tags.<key>` and `Metrics.<name>` look into lists of pairs.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.sagemaker import faults

_PAIRS = {
    "Tags": ("Tags", "Key", "Value"),
    "Metrics": ("FinalMetricDataList", "MetricName", "Value"),
}
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_CONTAINS_LIMIT = 1
_DEPTH_LIMIT = 20

Document = dict[str, Any]


def check_expression(expression: Document) -> None:
    """Raise ApiError for an expression that AWS refuses."""
    _check_parts(expression, 1)
    contains = sum(_count_contains(part) for part in _filters_in(expression))
    if contains > _CONTAINS_LIMIT:
        raise faults.invalid(f"'CONTAINS' operator usage limit of {_CONTAINS_LIMIT} exceeded.")


def _check_parts(expression: Document, depth: int) -> None:
    if depth > _DEPTH_LIMIT:
        raise faults.invalid("The search expression is nested too deeply.")
    if not any(expression.get(part) for part in ("Filters", "NestedFilters", "SubExpressions")):
        raise faults.invalid(
            "A search expression must have at least one filter, nested filter or subexpression."
        )
    for part in expression.get("SubExpressions", ()):
        _check_parts(part, depth + 1)


def _filters_in(expression: Document) -> Iterator[Document]:
    yield from expression.get("Filters", ())
    for nested in expression.get("NestedFilters", ()):
        yield from nested["Filters"]
    for part in expression.get("SubExpressions", ()):
        yield from _filters_in(part)


def _count_contains(condition: Document) -> int:
    return int(condition.get("Operator") == "Contains")


def matches(expression: Document, document: Document) -> bool:
    """Return whether a resource satisfies an expression."""
    results = [
        *(_holds(condition, document) for condition in expression.get("Filters", ())),
        *(_nested_holds(nested, document) for nested in expression.get("NestedFilters", ())),
        *(matches(part, document) for part in expression.get("SubExpressions", ())),
    ]
    return any(results) if expression.get("Operator") == "Or" else all(results)


def _nested_holds(nested: Document, document: Document) -> bool:
    """Return whether a single item of a list satisfies every filter."""
    prefix = nested["NestedPropertyName"] + "."
    conditions = [
        {**condition, "Name": condition["Name"].removeprefix(prefix)}
        for condition in nested["Filters"]
    ]
    items = [
        item
        for value in _values(document, nested["NestedPropertyName"])
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict)
    ]
    return any(all(_holds(c, item) for c in conditions) for item in items)


def _holds(condition: Document, document: Document) -> bool:
    found = [value for value in _values(document, condition["Name"]) if value is not None]
    wanted = condition.get("Value")
    kind = condition.get("Operator") or ("Exists" if wanted is None else "Equals")
    if kind == "Exists":
        return bool(found)
    if kind == "NotExists":
        return not found
    if wanted is None:
        raise faults.invalid(f"The operator {kind} on {condition['Name']} needs a Value.")
    if kind == "NotEquals":
        return not any(_equal(value, wanted) for value in found)
    return any(_compares(kind, value, wanted, condition["Name"]) for value in found)


def _compares(kind: str, value: Any, wanted: str, name: str) -> bool:
    if kind == "Equals":
        return _equal(value, wanted)
    if kind == "In":
        return any(_equal(value, item.strip()) for item in wanted.split(","))
    if kind == "Contains":
        return wanted.lower() in _text(value).lower()
    left, right = _number(value), _number(wanted)
    if right is None:
        raise faults.invalid(f"The operator {kind} on {name} needs a number or a time.")
    return left is not None and _ORDERINGS[kind](left, right)


def _equal(value: Any, wanted: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        number = _number(value) if isinstance(value, str) else None
        if number is not None and number == _number(wanted):
            return True
        return _text(value) == wanted
    return value == _number(wanted)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> float | None:
    """Return a number, or a time in epoch seconds; None for other text."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _values(document: Any, name: str) -> list[Any]:
    """Return every value at a path."""
    head, _, rest = name.partition(".")
    if rest and head in _PAIRS and isinstance(document, dict):
        member, key, value = _PAIRS[head]
        pairs = document.get(member) or ()
        return [pair.get(value) for pair in pairs if pair.get(key) == rest]
    if isinstance(document, list):
        return [value for item in document for value in _values(item, name)]
    if not isinstance(document, dict):
        return []
    if name in document:  # a name of a map may have dots in it
        return [document[name]]
    return _values(document.get(head), rest) if rest else []


def page(
    documents: Sequence[Document],
    identity: str,
    sort_by: str,
    *,
    descending: bool,
    token: str | None,
    limit: int,
) -> tuple[list[Document], str | None]:
    """Return a page of documents in order, and the token of the next; `identity` is their ARN."""

    def key(document: Document) -> tuple[Any, str]:
        values = _values(document, sort_by)
        return (values[0] if values else None, document[identity])

    compare = functools.partial(_compare, descending=descending)
    ordered = sorted(documents, key=lambda d: functools.cmp_to_key(compare)(key(d)))
    if token is not None:
        position = decode_token(token)
        if len(position) != 2 or not isinstance(position[1], str):
            raise faults.invalid("The specified pagination token is invalid.")
        ordered = [d for d in ordered if compare(key(d), (position[0], position[1])) > 0]
    shown = ordered[:limit]
    following = encode_token(list(key(shown[-1]))) if len(ordered) > limit else None
    return shown, following


def _compare(left: tuple[Any, str], right: tuple[Any, str], *, descending: bool) -> int:
    """Order by value, then by ARN; what lacks the property comes last either way."""
    if (left[0] is None) != (right[0] is None):
        return 1 if left[0] is None else -1
    first, second = _rank(left), _rank(right)
    order = (first > second) - (first < second)
    return -order if descending else order


def _rank(item: tuple[Any, str]) -> tuple[int, float, str, str]:
    value, arn = item
    if isinstance(value, int | float):
        return (0, float(value), "", arn)
    return (1, 0.0, "" if value is None else str(value), arn)
