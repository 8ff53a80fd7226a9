"""The server's own pages under `/_sagebrush/`: what is supported, what runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from sagebrush import __version__
from sagebrush.gateway.messages import Request, Response
from sagebrush.gateway.registry import Registry, snake_case
from sagebrush.services.platform import Platform
from sagebrush.wire import load

_PREFIX = "/_sagebrush/"


class InternalPages:
    """Answers in JSON."""

    def __init__(self, platform: Platform, registry: Registry) -> None:
        self._platform = platform
        self._registry = registry
        self._pages: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
            "health": self._health,
            "status": self._status,
        }

    async def answer(self, request: Request) -> Response:
        """Answer a GET below the prefix."""
        name = request.target.partition("?")[0].removeprefix(_PREFIX)
        page = self._pages.get(name)
        if page is None:
            known = ", ".join(f"{_PREFIX}{page}" for page in self._pages)
            return _json(404, {"message": f"no such page; there are {known}"})
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"message": "only GET is answered here"})
        return _json(200, await page())

    async def _health(self) -> dict[str, Any]:
        """List the operations that really work, by service, as found in the code."""
        return {
            "status": "running",
            "version": __version__,
            "services": {
                name: _operation_names(name, handlers)
                for name, handlers in self._registry.supported().items()
            },
        }

    async def _status(self) -> dict[str, Any]:
        """Say what runs, how it is confined and how much disk it takes."""
        platform = self._platform
        facilities = await platform.supervisor.facilities()
        services = {
            declared.name: declared.status(platform)
            for declared in self._registry.services()
            if declared.status is not None
        }
        return {
            "version": __version__,
            "pid": os.getpid(),
            "endpoint": platform.settings.endpoint,
            "data": str(platform.settings.data_dir),
            "disk_bytes": await asyncio.to_thread(_disk_bytes, platform.settings.data_dir),
            "verify_signatures": platform.settings.verify_signatures,
            "durable": platform.settings.durable,
            "sandbox": facilities.isolation,
            "limits": facilities.limiter,
            "weaker_because": list(facilities.reasons),
            "services": services,
        }


def _operation_names(service: str, handlers: list[str]) -> list[str]:
    """Return the operations' own names; an extra operation has none in the model."""
    names = {snake_case(name): name for name in load(service).operations}
    return sorted(names[handler] for handler in handlers if handler in names)


def _disk_bytes(folder: Path) -> int:
    """Return the bytes allocated to everything below `folder`."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(root) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                # Removed since the walk saw it.
                continue
    return total


def _json(status: int, document: dict[str, Any]) -> Response:
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Response(status, [("content-type", "application/json")], body)
