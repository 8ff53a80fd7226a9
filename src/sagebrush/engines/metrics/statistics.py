"""Statistics of a bucket of data points, by CloudWatch's names.

Simple statistics come from count, sum, minimum and maximum. Extended ones (percentiles and the
trimmed family) need the distribution, which is known while every datum carried its values or had
equal minimum and maximum; a bucket without it has no extended statistic, as in CloudWatch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_SIMPLE = {
    "samplecount": "SampleCount",
    "average": "Average",
    "avg": "Average",
    "sum": "Sum",
    "minimum": "Minimum",
    "min": "Minimum",
    "maximum": "Maximum",
    "max": "Maximum",
}
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100(?:\.0+)?)", re.IGNORECASE)
_TRIMMED = re.compile(r"(tm|wm|tc|ts|pr)(\d{1,2}(?:\.\d{1,10})?|100(?:\.0+)?)", re.IGNORECASE)
_RANGE = re.compile(r"(tm|wm|tc|ts|pr)\(([\d.+-]*)(%?):([\d.+-]*)(%?)\)", re.IGNORECASE)


@dataclass(slots=True)
class Bucket:
    """The data of one series and unit in one period that starts at `time` (epoch seconds)."""

    time: float
    unit: str
    count: float = 0.0
    sum: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    # value -> count; None once a datum came without its values.
    distribution: dict[float, float] | None = field(default_factory=dict)

    def add(
        self,
        count: float,
        total: float,
        minimum: float,
        maximum: float,
        histogram: list[tuple[float, float]] | None,
    ) -> None:
        """Take in one stored point."""
        self.count += count
        self.sum += total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)
        if histogram is None and minimum != maximum:
            self.distribution = None
        if self.distribution is None:
            return
        for value, number in histogram or [(minimum, count)]:
            self.distribution[value] = self.distribution.get(value, 0.0) + number

    def statistic(self, name: str) -> float | None:
        """Return a statistic by its parsed name, None where the distribution is unknown.

        Raises:
            ValueError: there is no statistic of that name.
        """
        return parse_statistic(name)(self)


def parse_statistic(name: str) -> Callable[[Bucket], float | None]:
    """Return the function that computes a statistic: `Sum`, `p99.9`, `TM(10%:90%)`, `IQM`...

    Raises:
        ValueError: there is no statistic of that name.
    """
    if simple := _SIMPLE.get(name.lower()):
        return _simple(simple)
    if name.upper() == "IQM":
        return _ranged("tm", (25.0, True), (75.0, True))
    if match := _PERCENTILE.fullmatch(name):
        rank = float(match[1])
        return lambda bucket: _percentile(bucket, rank)
    if match := _TRIMMED.fullmatch(name):
        if match[1].lower() == "pr":
            return _ranged("pr", None, (float(match[2]), False))
        return _ranged(match[1].lower(), None, (float(match[2]), True))
    if match := _RANGE.fullmatch(name):
        if not (match[2] or match[4]):
            raise ValueError(name)
        low = (float(match[2]), bool(match[3])) if match[2] else None
        high = (float(match[4]), bool(match[5])) if match[4] else None
        return _ranged(match[1].lower(), low, high)
    raise ValueError(name)


def _simple(name: str) -> Callable[[Bucket], float | None]:
    return {
        "SampleCount": lambda bucket: bucket.count,
        "Average": lambda bucket: bucket.sum / bucket.count if bucket.count else 0.0,
        "Sum": lambda bucket: bucket.sum,
        "Minimum": lambda bucket: bucket.minimum,
        "Maximum": lambda bucket: bucket.maximum,
    }[name]


def _percentile(bucket: Bucket, rank: float) -> float | None:
    """Return the value at or below which `rank` percent lie, linear between neighbours."""
    if not bucket.distribution:
        return None
    ordered = sorted(bucket.distribution.items())
    total = sum(count for _, count in ordered)
    place = rank / 100 * (total - 1)
    below, seen = ordered[0][0], 0.0
    for value, count in ordered:
        if place <= seen:
            return below + (value - below) * (place - seen + 1)
        seen += count
        below = value
        if place <= seen - 1:
            return value
    return ordered[-1][0]


Bound = tuple[float, bool] | None


def _ranged(kind: str, low: Bound, high: Bound) -> Callable[[Bucket], float | None]:
    """Return a trimmed or winsorised statistic; a bound is `(number, whether percent)`."""

    def compute(bucket: Bucket) -> float | None:
        if not bucket.distribution:
            return None
        lowest = _bound(bucket, low, -math.inf)
        highest = _bound(bucket, high, math.inf)
        inside = [(v, n) for v, n in bucket.distribution.items() if lowest <= v <= highest]
        number = sum(n for _, n in inside)
        if kind == "tc":
            return number
        if kind == "pr":
            return 100.0 * number / sum(bucket.distribution.values())
        if kind == "ts":
            return sum(v * n for v, n in inside)
        if kind == "wm":
            clipped = [(min(max(v, lowest), highest), n) for v, n in bucket.distribution.items()]
            return sum(v * n for v, n in clipped) / sum(n for _, n in clipped)
        return sum(v * n for v, n in inside) / number if number else None

    return compute


def _bound(bucket: Bucket, bound: Bound, default: float) -> float:
    if bound is None:
        return default
    number, is_percent = bound
    if not is_percent:
        return number
    value = _percentile(bucket, number)
    assert value is not None
    return value
