"""How a service folder tells the gateway what it holds.

Each folder has a `service.py` with `SERVICE = Service(...)`. The gateway imports the resource
modules on the first request, finds the handlers by name (the operation's name in snake_case) and
refuses a public function that is no operation of the model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagebrush.services.platform import Context, Platform

Handler = Callable[..., dict[str, Any] | Awaitable[dict[str, Any]] | None]
Respond = Callable[[dict[str, Any] | Awaitable[dict[str, Any]]], None]
PromptHandler = Callable[["Context", dict[str, Any], Respond], bool]
"""The short form of a handler whose requests come in thousands a second: no task, no coroutine.

It gives `respond` the result once, now or from a later call of the event loop, or an awaitable of
it where that takes more than was thought. Or it returns False, has changed nothing then, and the
handler answers instead. Only that raises `ApiError`. Its name is the handler's behind `begin_`, in
the same module.
"""


@dataclass(frozen=True)
class Service:
    """A declared service.

    `modules` are dotted paths of the resource files. `migrations` is the folder of the service's
    numbered SQL scripts, applied at server start. `start` runs at server start after every
    migration (reconcile rows with reality, begin background tasks), `stop` before the server ends.
    `first_use` runs in the background from the service's first request on (what would only cost
    memory before).
    `status` says what runs, for `sagebrush status`: plain JSON values, short.
    """

    name: str
    modules: tuple[str, ...]
    migrations: Path | None = None
    start: Callable[[Platform], Awaitable[None]] | None = None
    stop: Callable[[Platform], Awaitable[None]] | None = None
    first_use: Callable[[Platform], Coroutine[None, None, None]] | None = None
    status: Callable[[Platform], dict[str, Any]] | None = None
