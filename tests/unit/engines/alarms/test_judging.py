"""The tables of the guide's "Configuring how CloudWatch alarms treat missing data"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.alarms.judging import judge

OK, ALARM, INSUFFICIENT, RETAIN = "OK", "ALARM", "INSUFFICIENT_DATA", None
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
_POINTS = {"0": False, "X": True, "-": None}

# Evaluation Periods 3, evaluation range 5: M, data points, and the state by treatment.
TABLES = [
    # Datapoints to Alarm 3.
    (3, "0 - X - X", (OK, OK, OK, OK)),
    (3, "0 - - - -", (OK, OK, OK, OK)),
    (3, "- - - - -", (INSUFFICIENT, RETAIN, ALARM, OK)),
    (3, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
    (3, "- - X - -", (ALARM, RETAIN, ALARM, OK)),
    # Datapoints to Alarm 2.
    (2, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
    (2, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
    (2, "0 - X - -", (OK, OK, ALARM, OK)),
    (2, "- - - - 0", (OK, OK, ALARM, OK)),
    (2, "- - - X -", (ALARM, RETAIN, ALARM, OK)),
]


def points(text: str) -> list[bool | None]:
    return [_POINTS[mark] for mark in text.split()]


@pytest.mark.parametrize(("to_alarm", "text", "states"), TABLES)
def test_the_guides_tables(to_alarm: int, text: str, states: tuple[str | None, ...]) -> None:
    found = tuple(judge(points(text), 3, to_alarm, treatment) for treatment in TREATMENTS)
    assert found == states


@pytest.mark.parametrize("text", ["- - - - X", "- - - X -"])
def test_a_young_breach_is_not_yet_an_alarm(text: str) -> None:
    assert judge(points(text), 3, 3, "missing") != ALARM
    assert judge(points(text), 3, 3, "ignore") is RETAIN


def test_what_is_certain_needs_no_missing_points() -> None:
    """Two of five are there already, whatever the other three are."""
    text = "- - - X X - -"
    assert [judge(points(text), 5, 2, treatment) for treatment in TREATMENTS] == [ALARM] * 4


@given(
    st.lists(st.sampled_from([True, False]), min_size=1, max_size=12),
    st.integers(1, 10),
    st.integers(1, 10),
    st.sampled_from(TREATMENTS),
)
def test_without_gaps_only_the_newest_count(
    values: list[bool], needed: int, to_alarm: int, treatment: str
) -> None:
    needed = min(needed, len(values))
    expected = ALARM if sum(values[-needed:]) >= to_alarm else OK
    assert judge(values, needed, to_alarm, treatment) == expected


@given(st.lists(st.sampled_from([True, False, None]), min_size=3, max_size=12), st.integers(1, 3))
def test_breaching_never_alarms_less_than_the_others(
    values: list[bool | None], to_alarm: int
) -> None:
    needed = len(values) - 2
    if needed < to_alarm:
        return
    states = {treatment: judge(values, needed, to_alarm, treatment) for treatment in TREATMENTS}
    if states["notBreaching"] == ALARM:
        assert set(states.values()) == {ALARM}
    if ALARM in states.values():
        assert states["breaching"] == ALARM
