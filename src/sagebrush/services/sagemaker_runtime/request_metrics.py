"""The request metrics of endpoints in CloudWatch, summed up per minute before they are stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sagebrush.engines.metrics import MetricDatum, StatisticSet
from sagebrush.services.platform import Context, Platform

_NAMESPACE = "AWS/SageMaker"
_FLUSH_INTERVAL_S = 5.0
_MICROSECONDS = 1e6


class Outcome(NamedTuple):
    """One invocation: the variant, the model server's status, its time and the whole time."""

    variant: str
    status: int
    model_s: float
    total_s: float


class _Key(NamedTuple):
    account: str
    region: str
    endpoint: str
    variant: str
    minute: int
    name: str
    unit: str


@dataclass(slots=True)
class _Sum:
    count: int = 0
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)


class RequestMetrics:
    """Counts in memory, stores every few seconds."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._sums: dict[_Key, _Sum] = {}

    def count(self, context: Context, endpoint: str, outcome: Outcome) -> None:
        """Add one invocation."""
        minute = int(context.now // 60) * 60
        status = outcome.status
        overhead_s = max(0.0, outcome.total_s - outcome.model_s)
        for name, unit, value in (
            ("Invocations", "None", 1.0),
            ("InvocationsPerInstance", "None", 1.0),
            ("ModelLatency", "Microseconds", outcome.model_s * _MICROSECONDS),
            ("OverheadLatency", "Microseconds", overhead_s * _MICROSECONDS),
            ("Invocation4XXErrors", "None", float(400 <= status < 500)),
            ("Invocation5XXErrors", "None", float(status >= 500)),
            ("InvocationModelErrors", "None", float(not 200 <= status < 300)),
        ):
            key = _Key(
                context.account, context.region, endpoint, outcome.variant, minute, name, unit
            )
            found = self._sums.get(key)
            if found is None:
                found = self._sums[key] = _Sum()
            found.add(value)

    def flush(self) -> None:
        """Store everything counted so far."""
        sums, self._sums = self._sums, {}
        by_place: dict[tuple[str, str], list[MetricDatum]] = {}
        for key, value in sums.items():
            by_place.setdefault((key.account, key.region), []).append(
                MetricDatum(
                    key.name,
                    {"EndpointName": key.endpoint, "VariantName": key.variant},
                    float(key.minute),
                    statistics=StatisticSet(value.count, value.total, value.minimum, value.maximum),
                    unit=key.unit,
                )
            )
        for (account, region), data in by_place.items():
            self._platform.metrics.put(account, region, _NAMESPACE, data)


_metrics: WeakKeyDictionary[Platform, RequestMetrics] = WeakKeyDictionary()


def metrics_of(platform: Platform) -> RequestMetrics:
    """Return the counters of a server."""
    found = _metrics.get(platform)
    if found is None:
        found = _metrics[platform] = RequestMetrics(platform)
    return found


async def start(platform: Platform) -> None:
    """Begin storing at intervals."""
    platform.spawn(_flush_for_ever(metrics_of(platform)), "endpoint request metrics")


async def stop(platform: Platform) -> None:
    """Store what is left."""
    metrics_of(platform).flush()


async def _flush_for_ever(metrics: RequestMetrics) -> None:
    while True:
        await asyncio.sleep(_FLUSH_INTERVAL_S)
        metrics.flush()
