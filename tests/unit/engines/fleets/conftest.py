"""Model servers without processes: a supervisor whose jobs are sockets in the test's own loop."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sagebrush.base.errors import StateError
from sagebrush.engines.fleets import SOCKET_NAME, Fleets, Place, VariantPlan, compose
from sagebrush.run.records import Exit
from sagebrush.run.spec import Member, ProcessSpec
from sagebrush.run.supervisor import Handle

_Result = TypeVar("_Result")
Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
INVOKE = compose("POST", "/invocations", (), b"1")


async def serve_well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection with `ok`."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            await reader.readexactly(length)
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


class Process(Handle):
    """What a supervisor would give for a process; it ends when told."""

    def __init__(self, directory: Path, converse: Converse | None) -> None:
        self.directory = directory
        self.asked_to_stop: list[float] = []
        self._ended = asyncio.Event()
        self._converse = converse
        self._listener: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self) -> None:
        if self._converse is not None:
            self._listener = await asyncio.start_unix_server(
                self._serve, self.directory / "run" / SOCKET_NAME
            )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._converse is not None
        self._writers.append(writer)
        await self._converse(reader, writer)

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    async def wait(self) -> Any:
        await self._ended.wait()
        return None

    def die(self) -> None:
        self._ended.set()
        if self._listener is not None:
            self._listener.close()
        for writer in self._writers:
            writer.transport.abort()

    def stop(self, grace_s: float, *, archive: bool = True) -> None:
        self.asked_to_stop.append(grace_s)
        self.die()

    async def kill(self) -> Any:
        self.die()


class FakeSupervisor:
    """Starts `Process`es; `converse` is what the next one does, None never listens."""

    def __init__(self) -> None:
        self.converse: Converse | None = serve_well
        self.refusals: list[Exception] = []
        self.stillborn = 0
        self.processes: dict[Path, Process] = {}

    async def start(self, spec: ProcessSpec) -> Handle:
        if self.refusals:
            raise self.refusals.pop()
        process = Process(Path(spec.directory), self.converse)
        self.processes[process.directory] = process
        await process.listen()
        if self.stillborn:
            self.stillborn -= 1
            process.die()
        return process

    def adopt(self, directory: Path) -> Handle | Exit:
        process = self.processes.get(directory)
        if process is None:
            raise StateError("never started")
        return process if process.alive else Exit.__new__(Exit)

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes.values() if process.alive]


class Observed:
    """Remembers which processes started and ended."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int, Path]] = []
        self.ended: list[Path] = []
        self.existed_at_end: list[bool] = []

    def server_started(self, place: Place, directory: Path) -> None:
        self.started.append((place.variant, place.ordinal, directory))

    async def server_ended(self, directory: Path) -> None:
        self.ended.append(directory)
        self.existed_at_end.append(directory.exists())


def spec_of(directory: Path) -> ProcessSpec:
    """Return a spec of that directory."""
    return ProcessSpec("fake", str(directory), (Member("server", argv=("true",)),))


def play(story: Awaitable[_Result]) -> _Result:
    """Run a story, for half a minute at most."""

    async def scene() -> _Result:
        async with asyncio.timeout(30):
            return await story

    return asyncio.run(scene())


async def until(holds: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    while not holds():
        await asyncio.sleep(0.001)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short: sockets lie below it."""
    name = tempfile.mkdtemp(prefix="fleet-")
    yield Path(name)
    shutil.rmtree(name)


class Scene:
    """Fleets, and what they do to processes."""

    def __init__(self, folder: Path) -> None:
        self.supervisor = FakeSupervisor()
        self.observed = Observed()
        self.fleets = Fleets(self.supervisor, folder / "fleets")  # type: ignore[arg-type]

    async def deploy(self, name: str, *variants: tuple[str, int], publish: bool = True) -> None:
        plans = [
            VariantPlan(variant, 1.0, count, {"": spec_of}, 5.0) for variant, count in variants
        ]
        await self.fleets.deploy(name, plans, self.observed)
        if publish:
            self.fleets.publish("address", name)

    async def invoke(self, target: str | None = None, timeout_s: float = 5.0) -> tuple[bytes, str]:
        answer, variant = await self.fleets.invoke(
            "address", lambda _, instance: instance.sole.request(INVOKE, timeout_s), target=target
        )
        return answer.body, variant.name


def answering(text: bytes) -> Converse:
    """A server that answers every request with `text`."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"content-length: 1" in head:
                    await reader.readexactly(1)
                writer.write(ANSWER.replace(b"ok", text))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return converse
