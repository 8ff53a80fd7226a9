"""What the S3 folder holds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

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


def _status(platform: Platform) -> dict[str, Any]:
    objects = platform.db.one(
        "SELECT count(*) AS number, coalesce(sum(size), 0) AS bytes FROM objects_versions"
        " WHERE live = 1"
    )
    buckets = platform.db.one("SELECT count(*) AS number FROM objects_buckets")
    assert objects is not None
    assert buckets is not None
    return {
        "buckets": buckets["number"],
        "objects": objects["number"],
        "object_bytes": objects["bytes"],
    }


SERVICE = Service(
    name="s3",
    modules=tuple(f"sagebrush.services.s3.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
    stop=_stop,
    status=_status,
)
