"""The server's side of preloaded parents: started when needed, replaced when dead, retired idle."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.base.errors import SagebrushError

_LOG = logging.getLogger(__name__)
_ANSWER_S = 30.0


class StartError(SagebrushError):
    """The machine could not start a job's processes; the message says what it refused."""


@dataclass(frozen=True)
class Family:
    """What a preloaded parent has loaded: names as `zygote.load` takes them.

    `interpreter` is another Python's path; empty is the running one.
    """

    name: str
    modules: tuple[str, ...]
    interpreter: str = ""


class Zygote:
    """A connection to one preloaded parent."""

    def __init__(
        self, process: asyncio.subprocess.Process, streams: tuple[Any, Any], loaded: dict[str, Any]
    ) -> None:
        self._process = process
        self._reader: asyncio.StreamReader = streams[0]
        self._writer: asyncio.StreamWriter = streams[1]
        self._lock = asyncio.Lock()
        self.loaded = loaded
        self.pid = process.pid

    @classmethod
    async def start(cls, command: list[str], environment: dict[str, str], log: Path) -> Zygote:
        """Return a parent that has loaded everything. Raises StartError if it dies before."""
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=theirs.fileno(), stdout=output, stderr=output, env=environment
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        line = await reader.readline()
        if not line:
            writer.close()
            await process.wait()
            raise StartError(f"{' '.join(command)} ended at start; see {log}")
        return cls(process, (reader, writer), json.loads(line))

    async def fork(self, directory: str) -> dict[str, Any]:
        """Return the record of a new shim for the job in `directory`.

        Raises ConnectionError when the parent is dead and StartError when the shim refused.
        """
        async with self._lock:
            self._writer.write(json.dumps({"directory": directory}).encode() + b"\n")
            await self._writer.drain()
            async with asyncio.timeout(_ANSWER_S):
                record = await self._answer(directory)
        if "error" in record:
            raise StartError(record["error"])
        return record

    async def _answer(self, directory: str) -> dict[str, Any]:
        while True:
            line = await self._reader.readline()
            if not line:
                raise ConnectionResetError("the preloaded parent died")
            record: dict[str, Any] = json.loads(line)
            # An earlier caller may have been cancelled before its answer came.
            if record["directory"] == directory:
                return record

    async def close(self) -> None:
        """End the parent; its jobs go on."""
        self._writer.close()
        await self._process.wait()


class Zygotes:
    """The preloaded parents of a server, at most one per family."""

    def __init__(self, families: Mapping[str, Family], idle_s: float) -> None:
        self.families = dict(families)
        self._idle_s = idle_s
        self._running: dict[str, Zygote] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._retirements: dict[str, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def get(self, name: str, directory: Path, python_path: str, executable: str) -> Zygote:
        """Return the family's parent, started if there is none. Raises StartError."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            zygote = self._running.get(name)
            if zygote is None:
                family = self.families[name]
                command = [family.interpreter or executable, "-m", "sagebrush.run.zygote"]
                environment = clean_environment(python_path)
                log = directory / f"{name}.log"
                zygote = await Zygote.start([*command, *family.modules], environment, log)
                self._running[name] = zygote
                for module, problem in zygote.loaded["failures"].items():
                    _LOG.warning("preloaded parent %s: %s: %s", name, module, problem)
        self._postpone_retirement(name)
        return zygote

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what runs: by family, `pid`, `threads`, `failures`."""
        return {
            name: {"pid": zygote.pid, **zygote.loaded} for name, zygote in self._running.items()
        }

    def forget(self, name: str, zygote: Zygote) -> None:
        """Have the next `get` start a new parent."""
        if self._running.get(name) is zygote:
            del self._running[name]
            self._close_later(zygote)

    async def close(self) -> None:
        """End all parents."""
        for timer in self._retirements.values():
            timer.cancel()
        zygotes, self._running = list(self._running.values()), {}
        await asyncio.gather(*(zygote.close() for zygote in zygotes), *self._closing)

    def _postpone_retirement(self, name: str) -> None:
        if name in self._retirements:
            self._retirements[name].cancel()
        loop = asyncio.get_running_loop()
        self._retirements[name] = loop.call_later(self._idle_s, self._retire, name)

    def _retire(self, name: str) -> None:
        zygote = self._running.pop(name, None)
        if zygote is not None:
            self._close_later(zygote)

    def _close_later(self, zygote: Zygote) -> None:
        task = asyncio.get_running_loop().create_task(zygote.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def clean_environment(python_path: str) -> dict[str, str]:
    """Return the little of the server's environment that our own helper processes see."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return {**environment, "PYTHONPATH": python_path, "PYTHONUTF8": "1"}
