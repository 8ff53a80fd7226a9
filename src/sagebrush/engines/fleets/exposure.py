"""What users' faults do to a model server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sagebrush.engines.fleets.channel import Answer
from sagebrush.engines.fleets.errors import ServerLostError, ServerTimeoutError
from sagebrush.engines.fleets.streaming import StreamedAnswer
from sagebrush.engines.injection import Injection

_MESSAGE = "This error was injected by a fault."


class Exposure:
    """The name under which faults may strike a model server; `delayed` are requests held back."""

    __slots__ = ("_account", "_target", "delayed", "injection")

    def __init__(self, injection: Injection, account: str, target: str) -> None:
        self.injection = injection
        self._account = account
        self._target = target
        self.delayed = 0

    async def suffer(self, die: Callable[[], Awaitable[None]], timeout_s: float) -> Answer | None:
        """Do what strikes the server with this request; return the answer if that gives one.

        Raises:
            ServerLostError: the process is gone, the request with it.
            ServerTimeoutError: the answer comes too late.
        """
        struck = self.injection.strikes(self.injection.models, self._account, self._target)
        if "model-delay" in struck:
            # The machine's waiting, as the model's own slowness would be.
            await self._hold_back(struck["model-delay"].options["delay_s"], timeout_s)
        if "model-crash" in struck:
            await die()
            raise ServerLostError("the model server was ended by a fault")
        if "model-error" in struck:
            options = struck["model-error"].options
            body = options.get("message", _MESSAGE).encode()
            return Answer(options.get("status", 500), {"content-type": "text/plain"}, body)
        return None

    async def _hold_back(self, delay_s: float, timeout_s: float) -> None:
        self.delayed += 1
        try:
            await asyncio.sleep(min(delay_s, timeout_s))
        finally:
            self.delayed -= 1
        if delay_s >= timeout_s:
            raise ServerTimeoutError(f"no answer within {timeout_s:g} seconds")


def streamed(answer: Answer) -> StreamedAnswer:
    """Return a whole answer in the form of one that streams."""
    passed_on = StreamedAnswer(_nobody)
    lines = [f"HTTP/1.1 {answer.status} Injected", f"content-length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    passed_on.data_received("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)
    return passed_on


def _nobody() -> None:
    """There is no connection to wait for."""
