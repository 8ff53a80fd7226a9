"""Metrics that are summed up per minute in memory and stored every few seconds."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from sagebrush.engines.metrics import MetricDatum, StatisticSet
from sagebrush.services.platform import Platform

MICROSECONDS = 1e6
_FLUSH_INTERVAL_S = 5.0
_WORKER = "minute sums"

_log = logging.getLogger(__name__)


class Series(NamedTuple):
    """Where values belong; `dimensions` are pairs of name and value."""

    account: str
    region: str
    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]


class _Sum:
    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")


class MinuteSums:
    """The values of any number of series since they were last stored."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._sums: dict[tuple[Series, int], _Sum] = {}

    def add(self, series: Series, now: float, value: float) -> None:
        """Add a value of the moment `now` (epoch seconds)."""
        found = self._sums.setdefault((series, int(now // 60) * 60), _Sum())
        found.count += 1
        found.total += value
        found.minimum = min(found.minimum, value)
        found.maximum = max(found.maximum, value)

    def flush(self) -> None:
        """Store everything added so far."""
        sums, self._sums = self._sums, {}
        for (series, minute), found in sums.items():
            statistics = StatisticSet(found.count, found.total, found.minimum, found.maximum)
            datum = MetricDatum(
                series.name,
                dict(series.dimensions),
                float(minute),
                statistics=statistics,
                unit=series.unit,
            )
            self._platform.metrics.put(series.account, series.region, series.namespace, [datum])

    async def flush_for_ever(self) -> None:
        """Store at intervals."""
        while True:
            await asyncio.sleep(_FLUSH_INTERVAL_S)
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - a full disk now must not end all metrics
                _log.exception("some metrics are lost")


def minute_sums_of(platform: Platform) -> MinuteSums:
    """Return the sums of a server; the first call has them stored from then on."""
    found: MinuteSums | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = MinuteSums(platform)
        platform.metrics.before_read.append(found.flush)
        platform.spawn(found.flush_for_ever(), _WORKER, looks_on=True)
    return found


def flush_minute_sums(platform: Platform) -> None:
    """Store what is left when the server stops."""
    found: MinuteSums | None = platform.workers.get(_WORKER)
    if found is not None:
        found.flush()
