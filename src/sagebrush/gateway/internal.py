"""The server's own pages under `/_sagebrush/`: what is supported, what runs, and its controls.

A control changes something (POST, DELETE). No web page can use one from a browser: it would send an
Origin, or ask first whether it may send JSON, and is refused either way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import orjson

from sagebrush import __version__
from sagebrush.base.errors import ConfigurationError
from sagebrush.gateway.bodies import read_whole
from sagebrush.gateway.clock_page import ClockPage
from sagebrush.gateway.messages import ClientDisconnectedError, Request, Response
from sagebrush.gateway.registry import Registry, snake_case
from sagebrush.services.platform import Platform
from sagebrush.wire import load

_PREFIX = "/_sagebrush/"
_MAXIMUM_BODY_BYTES = 64 * 1024

# What a page does for a method: the request's document to the answer's.
Action = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class InternalPages:
    """Answers in JSON."""

    def __init__(self, platform: Platform, registry: Registry) -> None:
        self._platform = platform
        self._registry = registry
        self._clock = ClockPage(platform.clock)
        self._pages: dict[str, dict[str, Action]] = {
            "health": {"GET": self._health},
            "status": {"GET": self._status},
            "clock": {"GET": self._show_clock, "POST": self._clock.move},
            "faults": {
                "GET": self._show_faults,
                "POST": self._add_fault,
                "DELETE": self._clear_faults,
            },
        }

    async def answer(self, request: Request) -> Response:
        """Answer a request below the prefix."""
        name = request.target.partition("?")[0].removeprefix(_PREFIX)
        page = self._pages.get(name)
        if page is None and (shown := self._shown(name)) is not None:
            return Response(200, [("content-type", shown[0])], shown[1])
        if page is None:
            known = ", ".join(f"{_PREFIX}{page}" for page in self._pages)
            return _json(404, {"message": f"no such page; there are {known}"})
        action = page.get("GET" if request.method == "HEAD" else request.method)
        if action is None:
            return _json(405, {"message": f"only {' and '.join(page)} are answered here"})
        try:
            if action is page.get("GET"):
                return _json(200, await action({}))
            return _refusal(request, self._platform) or _json(
                200, await action(await _document(request))
            )
        except ConfigurationError as error:
            return _json(400, {"message": str(error)})
        except ClientDisconnectedError:
            return Response(400, [], close=True)

    def _shown(self, name: str) -> tuple[str, bytes] | None:
        """Return what a service shows there: content type and bytes, or None."""
        service, _, rest = name.partition("/")
        show = self._platform.pages.get(service)
        return None if show is None else show(rest)

    async def _show_faults(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"faults": self._platform.injection.shown()}

    async def _add_fault(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self._check_target(wanted)
        return self._platform.injection.add(wanted)

    def _check_target(self, wanted: dict[str, Any]) -> None:
        """Refuse a fault of operations that there are none of: it would never strike.

        Raises:
            ConfigurationError: no operation here has a name like that.
        """
        target = wanted.get("target")
        if wanted.get("kind") not in ("throttle", "error") or ":" not in str(target):
            return
        known = self._registry.supported()
        if not any(
            fnmatchcase(f"{service}:{operation}", str(target))
            for service, handlers in known.items()
            for operation in _operation_names(service, handlers)
        ):
            raise ConfigurationError(
                f"no operation of this server is called {target}; /_sagebrush/health lists them"
            )

    async def _clear_faults(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Switch one fault off, by its id, or all."""
        injection = self._platform.injection
        if not wanted:
            return {"faults": injection.clear()}
        if wanted.keys() != {"id"} or not isinstance(wanted["id"], str):
            raise ConfigurationError('give the "id" of one fault, or nothing for all')
        return {"faults": [injection.remove(wanted["id"])]}

    async def _show_clock(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._clock.show()

    async def _health(self, _: dict[str, Any]) -> dict[str, Any]:
        """List the operations that really work, by service, as found in the code."""
        return {
            "status": "running",
            "version": __version__,
            "services": {
                name: _operation_names(name, handlers)
                for name, handlers in self._registry.supported().items()
            },
        }

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
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
            "clock": self._clock.show(),
            "faults": sum(not fault["over"] for fault in platform.injection.shown()),
            "services": services,
        }


def _refusal(request: Request, platform: Platform) -> Response | None:
    """Return why a control may not be used by this request; None when it may."""
    if "origin" in request.headers:
        return _json(403, {"message": "web pages may not use the server's controls"})
    if platform.settings.verify_signatures and not _is_local(request.client_address):
        message = "where signatures are checked, only programs on the server's machine may do this"
        return _json(403, {"message": message})
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and kind != "application/json":
        return _json(415, {"message": "the body must be JSON, with content-type application/json"})
    return None


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def _document(request: Request) -> dict[str, Any]:
    """Return the request's JSON object, empty when there is no body.

    Raises:
        ConfigurationError: it is none.
    """
    body = await read_whole(request.body, _MAXIMUM_BODY_BYTES)
    if body is None:
        raise ConfigurationError(f"the body is larger than {_MAXIMUM_BODY_BYTES} bytes")
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"the body is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError("the body is no JSON object")
    return document


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
