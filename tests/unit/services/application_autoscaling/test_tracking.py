"""The capacity that brings a metric to its target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.application_autoscaling.tracking import HIGH, LOW, tracked


@pytest.mark.parametrize(
    ("points", "capacity", "kind", "expected"),
    [
        ([50.0, 80.0, 25.0], 2, HIGH, 5),
        ([30.0], 1, HIGH, 3),
        ([30.1], 1, HIGH, 4),
        ([0.0] * 15, 7, LOW, 0),
        # The busiest minute decides: 4 units at half their load are two.
        ([*[1.0] * 14, 5.0], 4, LOW, 2),
        ([8.9] * 15, 2, LOW, 2),
        # Nothing counts as one: the backlog of an endpoint without instances.
        ([35.0], 0, HIGH, 4),
    ],
)
def test_proportions(points: list[float], capacity: int, kind: str, expected: int) -> None:
    assert tracked(points, 10.0, capacity, kind) == expected


@given(st.integers(1, 100), st.lists(st.floats(0, 9), min_size=15, max_size=15))
def test_scaling_in_asks_for_no_scaling_out(capacity: int, points: list[float]) -> None:
    fewer = tracked(points, 10.0, capacity, LOW)
    assert fewer <= capacity
    if fewer:
        loads = [point * capacity / fewer for point in points]
        assert max(loads) <= 10.0 + 1e-6
