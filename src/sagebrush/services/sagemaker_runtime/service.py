"""Declares the service."""

from __future__ import annotations

import functools
from pathlib import Path

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime import request_metrics
from sagebrush.services.sagemaker_runtime.capture.spool import spool_of
from sagebrush.services.sagemaker_runtime.refusals import QUEUES
from sagebrush.services.served import served_at


async def _start(platform: Platform) -> None:
    await request_metrics.start(platform)
    platform.fleets.on_change.append(functools.partial(_fleets_changed, platform))
    _fleets_changed(platform)
    platform.spawn(spool_of(platform).resume(), "captured data of an earlier server")


async def _stop(platform: Platform) -> None:
    queues = platform.workers.get(QUEUES)
    if queues is not None:
        queues.close()
    await spool_of(platform).flush()
    await request_metrics.stop(platform)


def _fleets_changed(platform: Platform) -> None:
    """Keep the queues of asynchronous endpoints, which are loaded with the first of those."""
    if QUEUES not in platform.workers and not _has_asynchronous(platform):
        return
    from sagebrush.services.sagemaker_runtime.asynchronous.queues import queues_of

    queues_of(platform).refresh()


def _has_asynchronous(platform: Platform) -> bool:
    if platform.db.one("SELECT 1 FROM sagemaker_async_queues LIMIT 1") is not None:
        return True
    served = (served_at(platform.fleets, address) for address in platform.fleets.addresses)
    return any(each is not None and "AsyncInferenceConfig" in each.config for each in served)


SERVICE = Service(
    name="sagemaker-runtime",
    modules=tuple(
        f"sagebrush.services.sagemaker_runtime.{resource}"
        for resource in ("async_invocations", "invocations", "streams")
    ),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
    stop=_stop,
)
