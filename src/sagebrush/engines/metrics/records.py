"""What is put into the metric store and how a series is named. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StatisticSet:
    """A summary made by the sender, whose single values are unknown."""

    count: float
    sum: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class MetricDatum:
    """One datum: exactly one of `value`, `statistics`, or `values` (with `counts`) is given.

    `counts` defaults to one each. `storage_resolution_s` is 1 or 60: the latter rounds the time
    down to the minute.
    """

    name: str
    dimensions: dict[str, str] = field(default_factory=dict)
    timestamp: float = 0.0
    value: float | None = None
    statistics: StatisticSet | None = None
    values: Sequence[float] = ()
    counts: Sequence[float] = ()
    unit: str = "None"
    storage_resolution_s: int = 60


@dataclass(frozen=True, slots=True)
class Series:
    """A metric that has data: its name, dimensions, and the time of its newest point."""

    id: int
    account: str
    namespace: str
    name: str
    dimensions: dict[str, str]
    last_time: float
