"""The search process of a server: started when first asked, again when it died, ended when idle.

It suggests configurations and draws reports: what needs numerical code, which the server itself
never loads.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.run.families import clean_environment
from sagebrush.services.platform import Platform
from sagebrush.tuning.messages import SuggestionRequest
from sagebrush.tuning.report.document import ReportRequest
from sagebrush.tuning.spaces import Value

_ANSWER_S = 120.0
_IDLE_S = 300.0
_ATTEMPTS = 2
_LINE_LIMIT_BYTES = 64 << 20

_log = logging.getLogger(__name__)


class SuggestionError(SagebrushError):
    """There is no suggestion; the message says why."""


class Suggester:
    """Asks the search process, one request at a time."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._retirement: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        """Have the process load its code beside the first trials, not before them or after all."""
        async with self._lock:
            try:
                await self._running()
            except SuggestionError as error:
                # Who needs it will be told, too.
                _log.warning("%s", error)

    async def suggest(self, request: SuggestionRequest) -> dict[str, Value]:
        """Return the next configuration of a search.

        Raises:
            SuggestionError: the process cannot be started, dies again, or refuses.
        """
        found: dict[str, Value] = (await self._answer(request.encode()))["configuration"]
        return found

    async def report(self, request: ReportRequest) -> str:
        """Return a report as HTML.

        Raises:
            SuggestionError: as `suggest` does.
        """
        return str((await self._answer(request.encode()))["page"])

    async def _answer(self, line: bytes) -> dict[str, Any]:
        async with self._lock:
            for _ in range(_ATTEMPTS):
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        return await self._ask(line)
                except (ConnectionError, TimeoutError) as error:
                    _log.warning("the search process is started again: %s", error or "no answer")
                    await self.close()
            raise SuggestionError("the search process ended while it was asked; see the log")

    async def close(self) -> None:
        """End the process if there is one."""
        if self._retirement is not None:
            self._retirement.cancel()
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _ask(self, line: bytes) -> dict[str, Any]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        await process.stdin.drain()
        answer = await process.stdout.readline()
        if not answer:
            raise ConnectionResetError("it ended")
        document: dict[str, Any] = json.loads(answer)
        if "error" in document:
            raise SuggestionError(document["error"])
        return document

    async def _running(self) -> asyncio.subprocess.Process:
        self._retire_later()
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "sagebrush.tuning.worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=clean_environment(self._platform.supervisor.python_path),
                    limit=_LINE_LIMIT_BYTES,
                )
            except OSError as error:
                raise SuggestionError(f"the search process cannot be started: {error}") from error
        return self._process

    def _retire_later(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
        loop = asyncio.get_running_loop()
        self._retirement = loop.call_later(
            _IDLE_S, lambda: self._platform.spawn(self._retire(), "search process")
        )

    async def _retire(self) -> None:
        async with self._lock:
            await self.close()
