"""CloudWatch's words for why an alarm is in a state: StateReason and StateReasonData."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from sagebrush.engines.alarms.records import ALARM, INSUFFICIENT_DATA

INITIAL = "Unchecked: Initial alarm creation"
_OPERATORS = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}
# More would not fit into the 1023 and 4000 characters of the API.
_POINTS_NAMED = 5
_POINTS_LISTED = 20


@dataclass(frozen=True, slots=True)
class Point:
    """A period that was looked at; `value` is None where it has no data."""

    time: float
    value: float | None
    count: float | None = None
    breaching: bool | None = None


def stamp(time: float) -> str:
    """Return a time as CloudWatch writes it into JSON: `2019-10-02T17:04:40.985+0000`."""
    # Rounded first: a float just below a millisecond would otherwise lose it.
    moment = datetime.fromtimestamp(round(time, 3), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def long_stamp(time: float) -> str:
    """Return a time in a sentence: `Friday 22 July, 2022 15:57:45 UTC`."""
    return datetime.fromtimestamp(time, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")


def describe(
    state: str, points: Sequence[Point], configuration: dict[str, Any], missing: int
) -> str:
    """Return the reason of a state that follows from `points` (oldest first).

    `missing` is how many further points were missing and counted as the alarm says.
    """
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {_number(missing, 'datapoint')} {_was(missing)} unknown."
    treated = _TREATED.get(configuration.get("TreatMissingData", "missing"))
    filled = ""
    if missing and treated:
        filled = (
            f" and {_number(missing, 'missing datapoint')} {_was(missing)} treated as [{treated}]"
        )
    if not points:
        periods = _number(missing, "period")
        return f"Threshold Crossed: no datapoints were received for {periods}{filled}."
    return _crossed(state, points, configuration, filled)


def _crossed(
    state: str, points: Sequence[Point], configuration: dict[str, Any], filled: str
) -> str:
    wanted = state == ALARM
    named = [point for point in reversed(points) if point.breaching is wanted]
    needed = configuration["EvaluationPeriods"]
    to_alarm = configuration.get("DatapointsToAlarm", needed)
    compared = "" if wanted else "not "
    compared += _OPERATORS[configuration["ComparisonOperator"]]
    threshold = f"{compared} the threshold ({float(configuration['Threshold'])})"
    listed = ", ".join(f"{p.value} ({_short(p.time)})" for p in named[:_POINTS_NAMED])
    if filled or len(points) < needed:
        counted = _number(len(named), "datapoint")
        return f"Threshold Crossed: {counted} [{listed}] {_was(len(named))} {threshold}{filled}."
    counted = f"{len(named)} out of the last {len(points)} datapoints"
    minimum = to_alarm if wanted else needed - to_alarm + 1
    change = "OK -> ALARM" if wanted else "ALARM -> OK"
    least = f" (minimum {_number(minimum, 'datapoint')} for {change} transition)."
    if len(named) <= _POINTS_NAMED:
        return f"Threshold Crossed: {counted} [{listed}] {_was(len(named))} {threshold}{least}"
    verb = "crossed" if wanted else "did not cross"
    return (
        f"Threshold Crossed: {counted} were {threshold}. The most recent datapoints which"
        f" {verb} the threshold: [{listed}]{least}"
    )


def reason_data(
    now: float, points: Sequence[Point], configuration: dict[str, Any], period_s: int
) -> str:
    """Return the JSON of a state that follows from `points` (oldest first), missing ones too."""
    real = [point for point in points if point.value is not None]
    data: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    if real:
        data["startDate"] = stamp(real[0].time)
    statistic = configuration.get("Statistic") or configuration.get("ExtendedStatistic")
    named = {"unit": configuration.get("Unit"), "statistic": statistic}
    data |= {name: value for name, value in named.items() if value is not None}
    data["period"] = period_s
    data["recentDatapoints"] = [point.value for point in real[-_POINTS_LISTED:]]
    data["threshold"] = float(configuration["Threshold"])
    data["evaluatedDatapoints"] = [_listed(p) for p in reversed(points[-_POINTS_LISTED:])]
    return orjson.dumps(data).decode()


def _listed(point: Point) -> dict[str, Any]:
    listed: dict[str, Any] = {"timestamp": stamp(point.time)}
    if point.count is not None:
        listed["sampleCount"] = point.count
    if point.value is not None:
        listed["value"] = point.value
    return listed


def _short(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%d/%m/%y %H:%M:%S")


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
