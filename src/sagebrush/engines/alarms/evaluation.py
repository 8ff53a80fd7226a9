"""From a metric alarm's data to its state: which periods are read and what they come to.

Periods of a minute and more end at the last whole minute, so a window slides every minute; shorter
ones end at the last whole ten seconds (CloudWatch User Guide, "Evaluating an alarm").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.alarms.judging import EXTRA_PERIODS, judge
from sagebrush.engines.alarms.reasons import Point, describe, reason_data
from sagebrush.engines.alarms.records import Alarm
from sagebrush.engines.metrics import MetricStore, parse_statistic

HIGH_RESOLUTION_S = 10
STANDARD_S = 60
_PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


class QueryError(SagebrushError):
    """The queries an alarm watches cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at: periods of `period_s` from `start` to `end`."""

    start: float
    end: float
    period_s: int


# Gives the values of the one query of an alarm that is watched, by the start of their period:
# account, region, the alarm's `Metrics`, the time to read, and now.
Queries = Callable[[str, str, list[dict[str, Any]], Window, float], dict[float, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation came to; `state` None keeps the present state."""

    state: str | None
    reason: str = ""
    reason_data: str = ""
    evaluation_state: str | None = None


def period_of(configuration: dict[str, Any]) -> int:
    """Return the seconds of one data point of a metric alarm."""
    if "Metrics" not in configuration:
        return int(configuration["Period"])
    periods_s = [
        query["MetricStat"]["Period"] if "MetricStat" in query else query.get("Period", 0)
        for query in configuration["Metrics"]
    ]
    return int(max(periods_s) or 300)


def interval_of(configuration: dict[str, Any]) -> int:
    """Return how many seconds lie between two evaluations of a metric alarm."""
    return STANDARD_S if period_of(configuration) >= STANDARD_S else HIGH_RESOLUTION_S


def evaluate(alarm: Alarm, now: float, metrics: MetricStore, queries: Queries | None) -> Verdict:
    """Return what a metric alarm's state should be at `now`."""
    configuration = alarm.configuration
    needed = configuration["EvaluationPeriods"]
    window = _window(configuration, now)
    try:
        points = _points(alarm, window, now, metrics, queries)
        failure = None
    except QueryError:
        points = _missing(window)
        failure = "EVALUATION_ERROR"
    to_alarm = configuration.get("DatapointsToAlarm", needed)
    state = judge([p.breaching for p in points], needed, to_alarm, _treatment(configuration))
    real = [point for point in points if point.value is not None][-needed:]
    missing = needed - len(real)
    if state is None or _has_few_samples(configuration, real):
        return Verdict(None, evaluation_state=failure)
    shown = real if not missing else points[-needed:]
    return Verdict(
        state,
        describe(state, real, configuration, missing),
        reason_data(now, shown, configuration, window.period_s),
        failure,
    )


def _window(configuration: dict[str, Any], now: float) -> Window:
    period_s = period_of(configuration)
    interval_s = interval_of(configuration)
    end = now // interval_s * interval_s
    periods = configuration["EvaluationPeriods"] + EXTRA_PERIODS
    return Window(end - periods * period_s, end, period_s)


def _treatment(configuration: dict[str, Any]) -> str:
    if configuration.get("Namespace") == "AWS/DynamoDB":
        # Whatever the alarm says (PutMetricAlarm, TreatMissingData).
        return "ignore"
    return str(configuration.get("TreatMissingData", "missing"))


def _points(
    alarm: Alarm, window: Window, now: float, metrics: MetricStore, queries: Queries | None
) -> list[Point]:
    configuration = alarm.configuration
    counts: dict[float, float] = {}
    if "Metrics" in configuration:
        if queries is None:
            raise QueryError("nothing evaluates expressions")
        values = queries(alarm.account, alarm.region, configuration["Metrics"], window, now)
    else:
        values, counts = _statistics(alarm, window, metrics)
    compare = _COMPARE[configuration["ComparisonOperator"]]
    threshold = configuration["Threshold"]
    points = []
    for empty in _missing(window):
        value = values.get(empty.time)
        if value is None:
            points.append(empty)
        else:
            breaching = compare(value, threshold)
            points.append(Point(empty.time, value, counts.get(empty.time), breaching))
    return points


def _missing(window: Window) -> list[Point]:
    number = round((window.end - window.start) / window.period_s)
    return [Point(window.start + index * window.period_s, None) for index in range(number)]


def _statistics(
    alarm: Alarm, window: Window, metrics: MetricStore
) -> tuple[dict[float, float], dict[float, float]]:
    """Return values and sample counts by the start of their period."""
    configuration = alarm.configuration
    buckets = metrics.statistics(
        alarm.account,
        alarm.region,
        configuration["Namespace"],
        configuration["MetricName"],
        {d["Name"]: d["Value"] for d in configuration.get("Dimensions", [])},
        start=window.start,
        end=window.end,
        period_s=window.period_s,
        unit=configuration.get("Unit"),
        combine_units=True,
        origin=window.start,
    )
    name = configuration.get("Statistic") or configuration["ExtendedStatistic"]
    compute = parse_statistic(name)
    values = {b.time: value for b in buckets if (value := compute(b)) is not None}
    return values, {bucket.time: bucket.count for bucket in buckets}


def _has_few_samples(configuration: dict[str, Any], points: list[Point]) -> bool:
    """Return whether a percentile has too few samples to mean anything, and the alarm says wait.

    How many are enough: CloudWatch User Guide, "Percentile-based alarms and low data samples".
    """
    if configuration.get("EvaluateLowSampleCountPercentile") != "ignore":
        return False
    match = _PERCENTILE.fullmatch(configuration.get("ExtendedStatistic", ""))
    if match is None or not points:
        return False
    rank = float(match[1]) / 100
    share = 1 - rank if rank >= 0.5 else rank
    samples = sum(point.count or 0.0 for point in points)
    # Rounded: 1 - 0.9 is less than a tenth.
    return samples < round(10 / share, 6) if share else False
