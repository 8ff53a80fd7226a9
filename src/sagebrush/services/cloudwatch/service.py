"""What the CloudWatch folder holds."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

if TYPE_CHECKING:
    from sagebrush.engines.alarms import AlarmAction
    from sagebrush.engines.metrics import MetricStore

_SWEEP_INTERVAL_S = 3600.0


async def _start(platform: Platform) -> None:
    platform.alarms.evaluate_queries = functools.partial(_values_of, platform.metrics)
    platform.alarms.actions["sns"] = functools.partial(_publish, platform)
    platform.alarms.start(platform.spawn)
    platform.spawn(_sweep(platform), "metrics-retention")


def _publish(platform: Platform, action: AlarmAction) -> str:
    """Carry out an alarm's SNS action."""
    module = importlib.import_module("sagebrush.services.cloudwatch.alarm_notifications")
    return str(module.publish(platform, action))


def _values_of(
    metrics: MetricStore, account: str, region: str, queries: list[Any], window: Any, now: float
) -> dict[float, float]:
    """Evaluate an alarm's queries; what that takes is imported by the first alarm on some."""
    module = importlib.import_module("sagebrush.services.cloudwatch.alarm_expressions")
    values: dict[float, float] = module.values_of(metrics, account, region, queries, window, now)
    return values


async def _sweep(platform: Platform) -> None:
    while True:
        platform.metrics.sweep()
        await platform.clock.sleep_until(platform.clock.now() + _SWEEP_INTERVAL_S)


SERVICE = Service(
    name="cloudwatch",
    modules=tuple(
        f"sagebrush.services.cloudwatch.{resource}"
        for resource in (
            "alarm_descriptions",
            "alarm_history",
            "alarm_tags",
            "alarms",
            "metric_data",
            "metric_queries",
            "metric_statistics",
            "metrics",
        )
    ),
    start=_start,
)
