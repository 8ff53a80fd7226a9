"""What the S3 folder holds."""

from __future__ import annotations

import logging
from pathlib import Path

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

_RESOURCES = (
    "acls",
    "attribute_queries",
    "bucket_documents",
    "bucket_policies",
    "bucket_settings",
    "buckets",
    "completion",
    "copying",
    "forms",
    "listing",
    "object_deletion",
    "object_locks",
    "object_reading",
    "object_tags",
    "object_writing",
    "parts",
    "preflight",
    "restoring",
    "uploads",
)
_log = logging.getLogger(__name__)


async def _start(platform: Platform) -> None:
    platform.spawn(_sweep(platform), "s3-sweep")


async def _sweep(platform: Platform) -> None:
    removed = await platform.objects.sweep()
    if removed:
        _log.info("removed %d files that no object refers to", removed)


async def _stop(platform: Platform) -> None:
    platform.objects.close()


SERVICE = Service(
    name="s3",
    modules=tuple(f"sagebrush.services.s3.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
    stop=_stop,
)
