"""Statistics of buckets; percentiles against numpy's linear interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.metrics import Bucket, parse_statistic

NUMBERS = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40)


def bucket_of(values: list[float]) -> Bucket:
    bucket = Bucket(0.0, "None")
    for value in values:
        bucket.add(1.0, value, value, value, None)
    return bucket


@given(values=NUMBERS)
def test_simple_statistics(values: list[float]) -> None:
    bucket = bucket_of(values)
    assert bucket.statistic("SampleCount") == len(values)
    assert bucket.statistic("Sum") == sum(values)
    assert bucket.statistic("Average") == pytest.approx(np.mean(values))
    assert bucket.statistic("Minimum") == min(values)
    assert bucket.statistic("Maximum") == max(values)


@given(values=NUMBERS, rank=st.integers(0, 1000).map(lambda tenth: tenth / 10))
def test_percentiles_are_numpys(values: list[float], rank: float) -> None:
    expected = np.percentile(values, rank)
    assert bucket_of(values).statistic(f"p{rank}") == pytest.approx(expected, abs=1e-9)


@given(values=NUMBERS)
def test_a_histogram_is_the_same_as_its_values(values: list[float]) -> None:
    numbers, counts = np.unique(values, return_counts=True)
    pairs = [(float(v), float(n)) for v, n in zip(numbers, counts, strict=True)]
    bucket = Bucket(0.0, "None")
    bucket.add(float(len(values)), sum(values), min(values), max(values), pairs)
    for name in ("p0", "p37.5", "p100", "tm90", "IQM", "PR(0:10)"):
        assert bucket.statistic(name) == pytest.approx(bucket_of(values).statistic(name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TM(2:4)", 3.0),
        ("tc(2:4)", 3.0),
        ("TS(2:4)", 9.0),
        ("WM(2:4)", (2 + 2 + 3 + 4 + 4) / 5),
        ("PR(2:)", 80.0),
        ("PR2", 40.0),
        ("TM(0%:50%)", 2.0),
    ],
)
def test_trimmed_statistics(name: str, expected: float) -> None:
    assert bucket_of([1.0, 2.0, 3.0, 4.0, 10.0]).statistic(name) == pytest.approx(expected)


def test_without_a_distribution_there_are_no_extended_statistics() -> None:
    bucket = bucket_of([1.0])
    bucket.add(4.0, 8.0, 1.0, 3.0, None)
    assert bucket.statistic("p50") is None
    assert bucket.statistic("Average") == pytest.approx(9 / 5)


@pytest.mark.parametrize("name", ["p101", "p", "median", "TM(:)", "tm(a:b)", "p-1", ""])
def test_unknown_statistics_are_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller words the error
        parse_statistic(name)
