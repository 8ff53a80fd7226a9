"""Declares the service: its resource files, its tables and what runs beside the handlers.

A resource file joins by its name in `_RESOURCES`; what must begin and end with the server joins
`_BACKGROUND` as a pair of functions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import deployments
from sagebrush.services.sagemaker.jobs import training

_RESOURCES = (
    "endpoint_configs",
    "endpoints",
    "models",
    "search",
    "tags",
    "training_jobs",
)

_BACKGROUND: tuple[
    tuple[Callable[[Platform], Awaitable[None]], Callable[[Platform], Awaitable[None]]], ...
] = ((training.start, training.stop), (deployments.start, deployments.stop))


async def _start(platform: Platform) -> None:
    for start, _ in _BACKGROUND:
        await start(platform)


async def _stop(platform: Platform) -> None:
    for _, stop in reversed(_BACKGROUND):
        await stop(platform)


SERVICE = Service(
    name="sagemaker",
    modules=tuple(f"sagebrush.services.sagemaker.{name}" for name in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
    stop=_stop,
)
