"""Step adjustments: their bounds by property, their sums by the user guide's examples."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.services.application_autoscaling.steps import (
    adjusted,
    adjustment,
    aggregate,
    bounds,
    check_steps,
)

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def step(lower: float | None, upper: float | None, change: int = 1) -> dict[str, Any]:
    given = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
    return {name: value for name, value in given.items() if value is not None} | {
        "ScalingAdjustment": change
    }


def configured(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": list(steps)} | more


@st.composite
def ladders(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return steps without gap or overlap, unbounded on both sides."""
    edges = sorted(draw(st.sets(NUMBERS, min_size=1, max_size=19)))
    lows, highs = [None, *edges], [*edges, None]
    steps = [step(*pair, change) for change, pair in enumerate(zip(lows, highs, strict=True))]
    return draw(st.permutations(steps))


@given(ladders(), NUMBERS, st.booleans())
def test_a_breach_falls_into_exactly_one_step(
    steps: list[dict[str, Any]], breach: float, above: bool
) -> None:
    check_steps(configured(*steps))
    fitting = [one for one in steps if bounds(one)[0] <= breach <= bounds(one)[1]]
    found = adjustment(steps, breach, above=above)
    assert found in [one["ScalingAdjustment"] for one in fitting]
    # On an edge the upper step has it where more is a breach, the lower one elsewhere.
    chosen = max if above else min
    assert found == chosen(fitting, key=lambda one: bounds(one)[0])["ScalingAdjustment"]


@given(ladders(), st.data())
def test_a_gap_or_an_overlap_is_refused(steps: list[dict[str, Any]], data: st.DataObject) -> None:
    bounded = [one for one in steps if "MetricIntervalUpperBound" in one]
    broken = data.draw(st.sampled_from(bounded))
    broken["MetricIntervalUpperBound"] += data.draw(st.sampled_from([-0.0001, 0.0001]))
    with pytest.raises(ApiError):
        check_steps(configured(*steps))


@given(NUMBERS, st.integers(0, 1000))
def test_beyond_the_ends_nothing_is_adjusted(edge: float, distance: int) -> None:
    assert (
        adjustment([step(edge, None)], math.nextafter(edge, -math.inf) - distance, above=True)
        is None
    )
    assert (
        adjustment([step(None, edge)], math.nextafter(edge, math.inf) + distance, above=False)
        is None
    )


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step(1, 1)], "exceed"),
        ([step(None, 1), step(None, 2)], "overlap"),
        ([step(None, None), step(0, None)], "same step"),
        ([step(-1, None)], "unspecified lower bound"),
        ([step(0, 1)], "unspecified upper bound"),
        ([], "StepAdjustments"),
        ([step(None, 0)] + [step(n, n + 1) for n in range(20)] + [step(20, None)], "at most 20"),
    ],
)
def test_bounds_that_are_refused(steps: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ApiError, match=words):
        check_steps(configured(*steps))


@pytest.mark.parametrize(
    "more",
    [
        {"MinAdjustmentMagnitude": 1},
        {"Cooldown": -1},
        {"AdjustmentType": "ExactCapacity", "StepAdjustments": [step(0, None, -1)]},
        {"AdjustmentType": None},
    ],
)
def test_settings_that_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        check_steps(configured(step(0, None)) | more)


@pytest.mark.parametrize(
    ("kind", "capacity", "change", "minimum", "expected"),
    [
        ("ChangeInCapacity", 3, 5, 0, 8),
        ("ChangeInCapacity", 3, -5, 0, -2),
        ("ExactCapacity", 3, 5, 0, 5),
        ("PercentChangeInCapacity", 10, 10, 0, 11),
        # 12.7 becomes 12, 0.67 becomes 1, -0.58 becomes -1, -6.67 becomes -6.
        ("PercentChangeInCapacity", 127, 10, 0, 139),
        ("PercentChangeInCapacity", 67, 1, 0, 68),
        ("PercentChangeInCapacity", 58, -1, 0, 57),
        ("PercentChangeInCapacity", 667, -1, 0, 661),
        # 25 percent of 4 is 1, but at least 2.
        ("PercentChangeInCapacity", 4, 25, 2, 6),
        ("PercentChangeInCapacity", 4, -25, 2, 2),
        ("PercentChangeInCapacity", 0, 100, 0, 0),
        ("PercentChangeInCapacity", 4, 0, 2, 4),
    ],
)
def test_sums(kind: str, capacity: int, change: int, minimum: int, expected: int) -> None:
    configuration = {"AdjustmentType": kind}
    if minimum:
        configuration |= {"MinAdjustmentMagnitude": minimum}
    assert adjusted(configuration, capacity, change) == expected


def test_aggregates() -> None:
    points = [1.0, 2.0, 6.0]
    assert [aggregate(points, kind) for kind in ("Average", "Minimum", "Maximum")] == [3, 1, 6]
