"""Turns log events that match a metric filter into data points of metrics."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.engines.logs import GroupRecord, LogEvent, StreamRecord
from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.logs.json_patterns import json_values
from sagebrush.services.logs.patterns import FilterPattern, compile_pattern
from sagebrush.services.platform import Platform


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
    try:
        number = float(text or "")
    except ValueError:
        return None
    return MetricDatum(
        transformation["metricName"],
        dimensions,
        event.timestamp_ms / 1000,
        value=number,
        unit=transformation.get("unit", "None"),
    )


def _resolve(selector: str, pattern: FilterPattern, line: str) -> str | None:
    """Return a literal, or what `$.path` or `$column` finds in a line."""
    if not selector.startswith("$"):
        return selector
    if selector.startswith(("$.", "$[")):
        values = json_values(line, selector)
        return str(values[0]) if values else None
    return pattern.values(line).get(selector)
