"""What the CloudWatch Logs folder holds, and what it does beside requests.

Batches stored by anyone, jobs included, pass by metric filters and live tails; events older than
their group's retention are deleted once an hour.
"""

from __future__ import annotations

from pathlib import Path

from sagebrush.services.declaration import Service
from sagebrush.services.logs.filter_metrics import FilterMetrics
from sagebrush.services.platform import Platform

_RESOURCES = ("groups", "live_tail", "metric_filters", "reading", "streams", "tags", "writing")
_SWEEP_INTERVAL_S = 3600.0


async def _start(platform: Platform) -> None:
    platform.logs.observers.append(FilterMetrics(platform).observe)
    platform.spawn(_sweep(platform), "logs-retention")


async def _sweep(platform: Platform) -> None:
    while True:
        platform.logs.sweep()
        await platform.clock.sleep_until(platform.clock.now() + _SWEEP_INTERVAL_S)


SERVICE = Service(
    name="logs",
    modules=tuple(f"sagebrush.services.logs.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
)
