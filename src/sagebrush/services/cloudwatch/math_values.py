"""The values of metric mathematics and how operators combine them.

A value is a number, a string, a time series, or an array of time series. An operator works at the
times both sides have; a number is at every time; an array is combined element by element with a
number or a series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sagebrush.base.errors import SagebrushError

MAX_DATAPOINTS = 100_800


class ExpressionError(SagebrushError):
    """An expression cannot be parsed or evaluated."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A time series: value by epoch second, at some of the times of `grid`."""

    points: dict[float, float]
    period_s: int
    grid: range
    label: str = ""

    def with_points(self, points: dict[float, float]) -> Timeline:
        """Return the same series with other points."""
        return Timeline(points, self.period_s, self.grid, self.label)


def check_length(grid: range) -> None:
    """Refuse to fill more times than a request may be answered with."""
    if len(grid) > MAX_DATAPOINTS:
        raise ExpressionError(f"more than {MAX_DATAPOINTS} times to fill")


Value = float | str | Timeline | list[Timeline]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression is evaluated: its period, its times, and the values of other ids."""

    period_s: int
    grid: range
    metric_ids: Sequence[str]
    resolve: Callable[[str], list[Timeline]]

    def constant(self, value: float) -> Timeline:
        """Return the series that is `value` at every time.

        Raises:
            ExpressionError: there are too many times.
        """
        check_length(self.grid)
        return Timeline(dict.fromkeys(map(float, self.grid), value), self.period_s, self.grid)


Function = Callable[[Scope, Sequence[Value]], Value]


def _power(base: float, exponent: float) -> float | None:
    try:
        value = base**exponent
    except (OverflowError, ZeroDivisionError):
        return None
    return value if isinstance(value, float) else None


_OPERATORS: dict[str, Callable[[float, float], float | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
    "^": _power,
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "&&": lambda a, b: float(bool(a) and bool(b)),
    "||": lambda a, b: float(bool(a) or bool(b)),
}
_WORDS = {"AND": "&&", "OR": "||"}


def apply_operator(operator: str, left: Value, right: Value) -> Value:
    """Return `left operator right`; points without a result (division by zero) are left out.

    Raises:
        ExpressionError: a string, or two arrays.
    """
    compute = _OPERATORS[_WORDS.get(operator, operator)]
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError(f"{operator} does not work on strings")
    if isinstance(left, list) and isinstance(right, list):
        raise ExpressionError(f"{operator} does not work on two arrays")
    if isinstance(left, list):
        return [_combine(compute, item, right) for item in left if not isinstance(right, list)]
    if isinstance(right, list):
        return [_combine(compute, left, item) for item in right]
    if isinstance(left, Timeline) or isinstance(right, Timeline):
        return _combine(compute, left, right)
    value = compute(left, right)
    if value is None:
        raise ExpressionError(f"{left:g} {operator} {right:g} has no value")
    return value


def _combine(
    compute: Callable[[float, float], float | None],
    left: float | Timeline,
    right: float | Timeline,
) -> Timeline:
    shape = left if isinstance(left, Timeline) else right
    assert isinstance(shape, Timeline)
    points = {}
    for time in shape.points:
        a = left.points.get(time) if isinstance(left, Timeline) else left
        b = right.points.get(time) if isinstance(right, Timeline) else right
        if a is None or b is None:
            continue
        value = compute(a, b)
        if value is not None:
            points[time] = value
    return shape.with_points(points)
