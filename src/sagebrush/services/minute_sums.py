"""Metrics summed up per minute and stored every few seconds; a killed server loses none."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import NamedTuple

from sagebrush.engines.metrics import Counts, MetricDatum, Numbers, StatisticSet
from sagebrush.engines.metrics.counting import Key
from sagebrush.services.platform import Platform

MICROSECONDS = 1e6
_FLUSH_INTERVAL_S = 5.0
_WORKER = "minute sums"
_FILE = "minute-counts"

_log = logging.getLogger(__name__)


class Series(NamedTuple):
    """Where values belong; `dimensions` are pairs of name and value."""

    account: str
    region: str
    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]


# Where a row of counts has what.
_COUNT, _TOTAL, _MINIMUM, _MAXIMUM = range(4)


class MinuteSums:
    """The values of any number of series since they were last stored."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._counts = Counts(platform.db, platform.settings.data_dir / _FILE)
        self._sums: dict[tuple[Series, int], Numbers] = {}

    def add(self, series: Series, now: float, value: float) -> None:
        """Add a value of the moment `now` (epoch seconds)."""
        key = series, int(now // 60) * 60
        found = self._sums.get(key)
        if found is None:
            *names, dimensions = series
            pairs = itertools.chain.from_iterable(dimensions)
            found = self._sums[key] = self._counts.row((key[1], *names, *pairs))
            found[_MINIMUM] = found[_MAXIMUM] = value
        found[_TOTAL] += value
        found[_MINIMUM] = min(found[_MINIMUM], value)
        found[_MAXIMUM] = max(found[_MAXIMUM], value)
        found[_COUNT] += 1.0

    def flush(self) -> None:
        """Store everything added so far, also by an earlier server that was killed."""
        self._counts.store(self._put)
        self._sums.clear()

    def _put(self, key: Key, numbers: Numbers) -> None:
        minute, account, region, namespace, name, unit, *pairs = map(str, key)
        dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
        statistics = StatisticSet(*numbers[:4])
        if statistics.count:
            datum = MetricDatum(name, dimensions, float(minute), statistics=statistics, unit=unit)
            self._platform.metrics.put(account, region, namespace, [datum])

    async def flush_for_ever(self) -> None:
        """Store at intervals."""
        while True:
            await asyncio.sleep(_FLUSH_INTERVAL_S)
            try:
                self.flush()
            except Exception:  # noqa: BLE001 - a full disk now must not end all metrics
                _log.exception("some metrics are not stored yet")


def minute_sums_of(platform: Platform) -> MinuteSums:
    """Return the sums of a server; the first call has them stored from then on."""
    found: MinuteSums | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = MinuteSums(platform)
        platform.metrics.before_read.append(found.flush)
        platform.spawn(found.flush_for_ever(), _WORKER, looks_on=True)
    return found


def resume_minute_sums(platform: Platform) -> None:
    """Store what an earlier server summed up and did not store."""
    if (platform.settings.data_dir / _FILE).exists():
        minute_sums_of(platform).flush()


def flush_minute_sums(platform: Platform) -> None:
    """Store what is left when the server stops."""
    found: MinuteSums | None = platform.workers.get(_WORKER)
    if found is not None:
        found.flush()
