"""Declares the service."""

from __future__ import annotations

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime import request_metrics
from sagebrush.services.sagemaker_runtime.capture.spool import spool_of


async def _start(platform: Platform) -> None:
    await request_metrics.start(platform)
    platform.spawn(spool_of(platform).resume(), "captured data of an earlier server")


async def _stop(platform: Platform) -> None:
    await spool_of(platform).flush()
    await request_metrics.stop(platform)


SERVICE = Service(
    name="sagemaker-runtime",
    modules=tuple(
        f"sagebrush.services.sagemaker_runtime.{resource}" for resource in ("invocations", "streams")
    ),
    start=_start,
    stop=_stop,
)
