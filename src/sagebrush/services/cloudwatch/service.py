"""What the CloudWatch folder holds."""

from __future__ import annotations

import asyncio

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

_SWEEP_INTERVAL_S = 3600.0


async def _start(platform: Platform) -> None:
    platform.spawn(_sweep(platform), "metrics-retention")


async def _sweep(platform: Platform) -> None:
    while True:
        platform.metrics.sweep()
        await asyncio.sleep(_SWEEP_INTERVAL_S)


SERVICE = Service(
    name="cloudwatch",
    modules=tuple(
        f"sagebrush.services.cloudwatch.{resource}"
        for resource in ("metric_data", "metric_queries", "metric_statistics", "metrics")
    ),
    start=_start,
)
