"""Why an alarm is in a state, in CloudWatch's words."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.engines.alarms.reasons import Point, describe, long_stamp, stamp

TIME = 1_700_000_040.0
AT = "14/11/23 22:14:00"


def reason(state: str, values: list[float], missing: int = 0, **members: Any) -> str:
    """Return the reason after `values`, oldest first, of which those above 5 breach."""
    configuration = {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "EvaluationPeriods": len(values) + missing,
    }
    points = [Point(TIME, value, 1.0, value > 5) for value in values]
    return describe(state, points, configuration | members, missing)


@pytest.mark.parametrize(
    ("missing", "text"),
    [(1, "1 datapoint was unknown."), (3, "3 datapoints were unknown.")],
)
def test_insufficient_data(missing: int, text: str) -> None:
    assert reason("INSUFFICIENT_DATA", [], missing) == f"Insufficient Data: {text}"


def test_nothing_received() -> None:
    one = reason("OK", [], 1, TreatMissingData="notBreaching")
    assert one == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was"
        " treated as [NonBreaching]."
    )
    three = reason("ALARM", [], 3, TreatMissingData="breaching")
    assert three == (
        "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints"
        " were treated as [Breaching]."
    )


def test_some_missing() -> None:
    assert reason("ALARM", [9.0], 1, TreatMissingData="breaching") == (
        f"Threshold Crossed: 1 datapoint [9.0 ({AT})] was greater than the threshold (5.0) and 1"
        " missing datapoint was treated as [Breaching]."
    )
    assert reason("ALARM", [9.0], 2) == (
        f"Threshold Crossed: 1 datapoint [9.0 ({AT})] was greater than the threshold (5.0)."
    )


def test_an_alarm_names_what_breached_newest_first() -> None:
    assert reason("ALARM", [7.0, 1.0, 9.0], DatapointsToAlarm=2) == (
        f"Threshold Crossed: 2 out of the last 3 datapoints [9.0 ({AT}), 7.0 ({AT})] were greater"
        " than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )


def test_ok_names_what_did_not() -> None:
    assert reason("OK", [1.0]) == (
        f"Threshold Crossed: 1 out of the last 1 datapoints [1.0 ({AT})] was not greater than the"
        " threshold (5.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )
    text = reason("OK", [1.0, 1.0, 9.0], DatapointsToAlarm=2)
    assert "(minimum 2 datapoints for ALARM -> OK" in text


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("GreaterThanOrEqualToThreshold", "greater than or equal to"),
        ("LessThanThreshold", "less than"),
        ("LessThanOrEqualToThreshold", "less than or equal to"),
    ],
)
def test_operators(operator: str, words: str) -> None:
    assert f"was {words} the threshold (5.0)" in reason("ALARM", [9.0], ComparisonOperator=operator)


def test_more_points_than_can_be_named() -> None:
    text = reason("ALARM", [9.0] * 1000)
    assert text.startswith(
        "Threshold Crossed: 1000 out of the last 1000 datapoints were greater than the threshold"
        " (5.0). The most recent datapoints which crossed the threshold: [9.0"
    )
    assert text.count("9.0 (") == 5


def test_times() -> None:
    assert stamp(1570035880.985) == "2019-10-02T17:04:40.985+0000"
    assert stamp(1570035880.9996) == "2019-10-02T17:04:41.000+0000"
    assert long_stamp(1658505465.4) == "Friday 22 July, 2022 15:57:45 UTC"
