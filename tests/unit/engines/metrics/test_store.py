"""The metric store: series, periods, units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.metrics import Bucket, MetricDatum, MetricStore, StatisticSet
from sagebrush.store.database import Database

HERE = ("111122223333", "us-east-1")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000.0 // 60 * 60)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricStore]:
    database = Database(tmp_path / "state.sqlite")
    yield MetricStore(database, clock)
    database.close()


def buckets(store: MetricStore, clock: ManualClock, **request: object) -> list[Bucket]:
    settings: dict[str, object] = {
        "start": clock.now() - 3600,
        "end": clock.now() + 3600,
        "period_s": 60,
    }
    return store.statistics(*HERE, "NS", "m", {}, **(settings | request))  # type: ignore[arg-type]


def test_every_form_of_datum_adds_up(store: MetricStore, clock: ManualClock) -> None:
    store.put(
        *HERE,
        "NS",
        [
            MetricDatum("m", value=4.0),
            MetricDatum("m", values=[1.0, 2.0], counts=[3.0, 1.0]),
            MetricDatum("m", values=[9.0]),
            MetricDatum("m", statistics=StatisticSet(2.0, 10.0, 3.0, 7.0)),
        ],
    )
    (bucket,) = buckets(store, clock)
    assert (bucket.count, bucket.sum) == (1 + 4 + 1 + 2, 4 + 5 + 9 + 10)
    assert (bucket.minimum, bucket.maximum) == (1.0, 9.0)
    assert bucket.distribution is None


def test_times_are_rounded_to_the_resolution(store: MetricStore, clock: ManualClock) -> None:
    start = clock.now()
    store.put(
        *HERE,
        "NS",
        [
            MetricDatum("m", timestamp=start + 59.5, value=1.0),
            MetricDatum("m", timestamp=start + 61.5, value=2.0, storage_resolution_s=1),
        ],
    )
    assert [b.time - start for b in buckets(store, clock, period_s=1)] == [0, 61]


def test_periods_begin_at_the_origin(store: MetricStore, clock: ManualClock) -> None:
    start = clock.now()
    data = [MetricDatum("m", timestamp=start + 60 * n, value=float(n)) for n in range(6)]
    store.put(*HERE, "NS", data)
    found = buckets(store, clock, start=start, period_s=180, origin=start)
    assert [(b.time - start, b.sum) for b in found] == [(0, 3.0), (180, 12.0)]


def test_units_stay_apart_unless_combined(store: MetricStore, clock: ManualClock) -> None:
    store.put(*HERE, "NS", [MetricDatum("m", value=1.0, unit=u) for u in ("Count", "Bytes")])
    assert {b.unit for b in buckets(store, clock)} == {"Count", "Bytes"}
    assert [b.unit for b in buckets(store, clock, unit="Bytes")] == ["Bytes"]
    assert [b.count for b in buckets(store, clock, combine_units=True)] == [2.0]


def test_dimensions_in_any_order_are_one_series(store: MetricStore, clock: ManualClock) -> None:
    store.put(*HERE, "NS", [MetricDatum("m", {"a": "1", "b": "2"}, value=1.0)])
    store.put(*HERE, "NS", [MetricDatum("m", {"b": "2", "a": "1"}, value=1.0)])
    (series,) = store.series(*HERE)
    found = store.statistics(*HERE, "NS", "m", {"b": "2", "a": "1"}, start=0, end=2e9, period_s=60)
    assert series.dimensions == {"a": "1", "b": "2"}
    assert [b.count for b in found] == [2.0]
    assert buckets(store, clock) == []


def test_numbers_that_are_not_finite_are_left_out(store: MetricStore, clock: ManualClock) -> None:
    data = [MetricDatum("m", value=value) for value in (math.nan, math.inf, 1.0)]
    store.put(*HERE, "NS", data)
    assert [b.count for b in buckets(store, clock)] == [1.0]


def test_the_sweep_forgets_what_is_too_old(store: MetricStore, clock: ManualClock) -> None:
    store.put(*HERE, "NS", [MetricDatum("old", value=1.0)])
    clock.advance(456 * 86_400)
    store.put(*HERE, "NS", [MetricDatum("m", value=1.0)])
    store.sweep()
    assert [series.name for series in store.series(*HERE)] == ["m"]
