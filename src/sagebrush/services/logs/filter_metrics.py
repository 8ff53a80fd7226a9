"""Turns log events that match a metric filter into data points of metrics."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupRecord, LogEvent, StreamRecord
from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.logs.expressions import PatternSyntaxError
from sagebrush.services.logs.json_patterns import json_values, parse_path
from sagebrush.services.logs.patterns import FilterPattern, compile_pattern
from sagebrush.services.platform import Platform

_JSON_SELECTOR = re.compile(r"\$[.\[]")


class FilterMetrics:
    """Watches stored batches on behalf of the metric filters."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def observe(self, group: GroupRecord, stream: StreamRecord, events: list[LogEvent]) -> None:
        """Put the data points of one stored batch, in the transaction that stored it."""
        del stream
        for row in self._platform.db.all(
            "SELECT request FROM logs_metric_filters WHERE group_id = ?", (group.id,)
        ):
            request = orjson.loads(row["request"])
            pattern = compile_pattern(request["filterPattern"])
            matching = [event for event in events if pattern.matches(event.message)]
            for transformation in request["metricTransformations"]:
                data = _data(transformation, pattern, matching, events)
                if data:
                    self._platform.metrics.put(
                        group.account, group.region, transformation["metricNamespace"], data
                    )


def check_selectors(transformation: dict[str, Any], pattern: FilterPattern) -> None:
    """Refuse a transformation whose value or dimensions nothing could be read with."""
    value = transformation["metricValue"]
    for selector in (value, *transformation.get("dimensions", {}).values()):
        if _JSON_SELECTOR.match(selector):
            try:
                parse_path(selector)
            except PatternSyntaxError as error:
                raise _invalid(str(error)) from None
        elif selector.startswith("$") and selector not in pattern.names:
            raise _invalid(f"{selector} is not defined by the filter pattern")
    if not value.startswith("$") and not _is_finite(value):
        raise _invalid(f"metricValue {value} is no number")


def _invalid(what: str) -> ApiError:
    return ApiError("InvalidParameterException", f"Invalid metric transformation: {what}.")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _data(
    transformation: dict[str, Any],
    pattern: FilterPattern,
    matching: list[LogEvent],
    events: list[LogEvent],
) -> list[MetricDatum]:
    data = [
        datum for event in matching if (datum := _datum(transformation, pattern, event)) is not None
    ]
    if "defaultValue" in transformation and not matching:
        # Events came and none matched: the metric says so instead of having a gap.
        data.append(
            MetricDatum(
                transformation["metricName"],
                timestamp=events[-1].timestamp_ms / 1000,
                value=transformation["defaultValue"],
                unit=transformation.get("unit", "None"),
            )
        )
    return data


def _datum(
    transformation: dict[str, Any], pattern: FilterPattern, event: LogEvent
) -> MetricDatum | None:
    """Return the data point of a matching event, None when its value is no number."""
    text = _resolve(transformation["metricValue"], pattern, event.message)
    dimensions = {
        name: value
        for name, selector in transformation.get("dimensions", {}).items()
        if (value := _resolve(selector, pattern, event.message)) is not None
    }
    if text is None or not _is_finite(text):
        return None
    return MetricDatum(
        transformation["metricName"],
        dimensions,
        event.timestamp_ms / 1000,
        value=float(text),
        unit=transformation.get("unit", "None"),
    )


def _resolve(selector: str, pattern: FilterPattern, line: str) -> str | None:
    """Return a literal, or what `$.path` or `$column` finds in a line."""
    if not selector.startswith("$"):
        return selector
    if _JSON_SELECTOR.match(selector):
        values = json_values(line, selector)
        return str(values[0]) if values else None
    return pattern.values(line).get(selector)
