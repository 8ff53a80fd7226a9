"""The metric store: series and points of every account and region in the state database."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from sagebrush.base.clock import Clock
from sagebrush.engines.metrics.records import MetricDatum, Series
from sagebrush.engines.metrics.statistics import Bucket
from sagebrush.store.database import Database, Row

# CloudWatch keeps hourly data for 455 days; nothing older can be asked for.
RETENTION_S = 455 * 86_400


class MetricStore:
    """Metric data, written at once and aggregated when read.

    Methods are synchronous and join the caller's transaction when one is open.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        # What stores data that is still being counted, called before data are read. Not within a
        # transaction: the reader could undo what was stored.
        self.before_read: list[Callable[[], None]] = []
        db.migrate("engines.metrics", Path(__file__).parent / "migrations")

    def put(self, account: str, region: str, namespace: str, data: Sequence[MetricDatum]) -> None:
        """Store data points. A datum with `timestamp` 0 gets the current time.

        A datum with a number that is not finite is left out: CloudWatch has none such.
        """
        with self._db.atomically():
            number = self._next_number()
            rows = []
            for offset, datum in enumerate(data):
                summary = _summary(datum)
                if not all(map(math.isfinite, summary[:4])):
                    continue
                time = datum.timestamp or self._clock.now()
                resolution_s = 1 if datum.storage_resolution_s == 1 else 60
                series_id = self._series_id(account, region, namespace, datum, time)
                rounded = math.floor(time / resolution_s) * resolution_s
                rows.append((series_id, rounded, number + offset, datum.unit, *summary))
            self._db.execute_many(
                "INSERT INTO metrics_points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def series(
        self,
        account: str,
        region: str,
        *,
        namespace: str | None = None,
        name: str | None = None,
        since: float = 0.0,
        after_id: int = 0,
    ) -> Iterator[Series]:
        """Yield the series that have a point at or after `since`, in the order of their ids."""
        self._store_counted()
        where, parameters = "", [account, region, since, after_id]
        for column, value in (("namespace", namespace), ("name", name)):
            if value is not None:
                where += f" AND {column} = ?"
                parameters.append(value)
        for row in self._db.execute(
            "SELECT * FROM metrics_series WHERE account = ? AND region = ? AND last_time >= ?"
            f" AND id > ?{where} ORDER BY id",
            parameters,
        ):
            yield _series(row)

    def statistics(
        self,
        account: str,
        region: str,
        namespace: str,
        name: str,
        dimensions: dict[str, str],
        *,
        start: float,
        end: float,
        period_s: int,
        unit: str | None = None,
        combine_units: bool = False,
        origin: float = 0.0,
    ) -> list[Bucket]:
        """Return the periods of `period_s` seconds in [start, end) that hold data, by time.

        Periods begin at `origin` plus multiples of their length. Points of different units stay
        apart unless `combine_units`; `unit` leaves only its own.
        """
        self._store_counted()
        row = self._db.one(
            "SELECT id FROM metrics_series WHERE account = ? AND region = ? AND namespace = ?"
            " AND name = ? AND dimensions = ?",
            (account, region, namespace, name, _canonical(dimensions)),
        )
        if row is None:
            return []
        points = self._db.execute(
            "SELECT * FROM metrics_points WHERE series_id = ? AND time >= ? AND time < ?"
            " AND (unit = ? OR ? IS NULL) ORDER BY time, number",
            (row["id"], start, end, unit, unit),
        )
        return _aggregate(points, period_s, origin, combine_units=combine_units)

    def sweep(self) -> None:
        """Delete points older than can be asked for, and series without points."""
        with self._db.atomically():
            oldest = self._clock.now() - RETENTION_S
            self._db.execute("DELETE FROM metrics_points WHERE time < ?", (oldest,))
            self._db.execute("DELETE FROM metrics_series WHERE last_time < ?", (oldest,))

    def _store_counted(self) -> None:
        if not self._db.in_transaction:
            for store in self.before_read:
                store()

    def _next_number(self) -> int:
        """Return a number no stored point has, so that equal times do not collide."""
        row = self._db.one(
            "UPDATE metrics_counter SET next_number = next_number + 1 RETURNING next_number"
        )
        assert row is not None
        return int(row[0]) << 16

    def _series_id(
        self, account: str, region: str, namespace: str, datum: MetricDatum, time: float
    ) -> int:
        row = self._db.one(
            "INSERT INTO metrics_series (account, region, namespace, name, dimensions, last_time)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET last_time = max(last_time, excluded.last_time)"
            " RETURNING id",
            (account, region, namespace, datum.name, _canonical(datum.dimensions), time),
        )
        assert row is not None
        return int(row["id"])


def _summary(datum: MetricDatum) -> tuple[float, float, float, float, str | None]:
    """Return count, sum, minimum, maximum and the histogram's JSON of a datum."""
    if datum.statistics is not None:
        given = datum.statistics
        return given.count, given.sum, given.minimum, given.maximum, None
    if datum.value is not None:
        return 1.0, datum.value, datum.value, datum.value, None
    pairs = list(zip(datum.values, datum.counts or [1.0] * len(datum.values), strict=True))
    count = sum(number for _, number in pairs)
    total = sum(value * number for value, number in pairs)
    histogram = orjson.dumps(pairs).decode() if len(pairs) > 1 else None
    return count, total, min(datum.values), max(datum.values), histogram


def _aggregate(
    points: Iterable[Row], period_s: int, origin: float, *, combine_units: bool
) -> list[Bucket]:
    buckets: dict[tuple[float, str], Bucket] = {}
    for point in points:
        time = origin + (point["time"] - origin) // period_s * period_s
        unit = "" if combine_units else point["unit"]
        bucket = buckets.setdefault((time, unit), Bucket(time, point["unit"]))
        histogram = orjson.loads(point["histogram"]) if point["histogram"] else None
        bucket.add(point["count"], point["sum"], point["minimum"], point["maximum"], histogram)
    return list(buckets.values())


def _canonical(dimensions: dict[str, str]) -> str:
    return orjson.dumps(dimensions, option=orjson.OPT_SORT_KEYS).decode()


def _series(row: Row) -> Series:
    dimensions: dict[str, Any] = orjson.loads(row["dimensions"])
    return Series(
        row["id"], row["account"], row["namespace"], row["name"], dimensions, row["last_time"]
    )
