"""Labels of query results, with CloudWatch's dynamic parts."""

from __future__ import annotations

import re
from typing import Any

from sagebrush.services.cloudwatch.math_values import Timeline
from sagebrush.services.cloudwatch.periods import dimensions_of

_DYNAMIC = re.compile(r"\$\{([A-Z]+)(?:\('([^']*)'\))?\}")


def render_label(query: dict[str, Any], timeline: Timeline, account: str, region: str) -> str:
    """Return a result's label: the query's with `${...}` filled in, else the metric or id."""
    default = timeline.label if "MetricStat" in query else query["Id"]
    label = query.get("Label")
    if not label:
        return default or str(query["Id"])
    values = [value for _, value in sorted(timeline.points.items())]

    def fill(match: re.Match[str]) -> str:
        if match[1] == "PROP" and match[2]:
            return _property(query, match[2], default, account, region) or match[0]
        return _figure(match[1], values) or match[0]

    return _DYNAMIC.sub(fill, str(label))


def _figure(name: str, values: list[float]) -> str | None:
    if not values:
        return "--"
    figures = {
        "AVG": sum(values) / len(values),
        "DATAPOINT_COUNT": len(values),
        "FIRST": values[0],
        "LAST": values[-1],
        "MAX": max(values),
        "MIN": min(values),
        "SUM": sum(values),
    }
    return f"{figures[name]:g}" if name in figures else None


def _property(
    query: dict[str, Any], name: str, label: str, account: str, region: str
) -> str | None:
    stat = query.get("MetricStat", {})
    metric = stat.get("Metric", {})
    if name.startswith("Dim."):
        return dimensions_of(metric).get(name.removeprefix("Dim."))
    properties = {
        "AccountId": account,
        "Label": label,
        "MetricName": metric.get("MetricName"),
        "Namespace": metric.get("Namespace"),
        "Period": str(stat["Period"]) if stat else None,
        "Region": region,
        "Stat": stat.get("Stat"),
    }
    return properties.get(name)
