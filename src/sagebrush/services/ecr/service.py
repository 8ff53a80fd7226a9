"""What the ECR folder holds, and what it does beside requests.

Once an hour images are expired by their repositories' lifecycle policies, and layers that no
repository has any more are removed.
"""

from __future__ import annotations

from pathlib import Path

from sagebrush.services.declaration import Service
from sagebrush.services.ecr.expiry import expire_images
from sagebrush.services.ecr.layer_files import remove_unreferenced
from sagebrush.services.platform import Platform

_RESOURCES = (
    "authorization",
    "images",
    "layers",
    "lifecycle",
    "repositories",
    "repository_policies",
    "tags",
)
_SWEEP_INTERVAL_S = 3600.0


async def _start(platform: Platform) -> None:
    platform.spawn(_sweep(platform), "ecr-sweep")


async def _sweep(platform: Platform) -> None:
    while True:
        with platform.db.transaction():
            expire_images(platform)
        remove_unreferenced(platform)
        await platform.clock.sleep_until(platform.clock.now() + _SWEEP_INTERVAL_S)


SERVICE = Service(
    name="ecr",
    modules=tuple(f"sagebrush.services.ecr.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
)
