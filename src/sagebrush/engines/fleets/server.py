"""One model-server process: started, watched, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from sagebrush.base.errors import StateError
from sagebrush.engines.fleets.channel import Answer, ChannelPool, compose
from sagebrush.engines.fleets.errors import FleetError, StartError
from sagebrush.run.spec import ProcessSpec
from sagebrush.run.supervisor import Handle, Supervisor

SOCKET_NAME = "model.sock"
MEMBER_NAME = "server"
_PING = compose("GET", "/ping", ())
_PING_INTERVAL_S = 0.005
_PING_LONGEST_S = 0.25
_PING_TIMEOUT_S = 2.0
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 10.0
# A process that served this long has shown that it can: the next restart is immediate again.
_PROVEN_S = 30.0
_ATTEMPTS_AT_CREATION = 3
_KEPT_DIRECTORIES = 3

_log = logging.getLogger(__name__)

SpecFactory = Callable[[Path], ProcessSpec]
"""Makes the spec of one process from its new directory; its one member is `MEMBER_NAME`, its
socket must come to lie at `<directory>/run/model.sock`."""


class ModelServer:
    """A process that answers invocations, and its replacement when it dies.

    Each process has a directory of its own below `folder`, numbered from 1; the highest number is
    the one that serves, so that a restarted server finds it without any record.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        make_spec: SpecFactory,
        on_started: Callable[[Path], None],
    ) -> None:
        self._supervisor = supervisor
        self.folder = folder
        self._make_spec = make_spec
        self._on_started = on_started
        self._pool: ChannelPool | None = None
        self._handle: Handle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self.healthy = False
        self.restarts = 0

    @property
    def outstanding(self) -> int:
        """Requests sent and not answered."""
        return 0 if self._pool is None else self._pool.outstanding

    async def start(self, timeout_s: float) -> None:
        """Take over the process an earlier server left, or start one, and wait until it serves.

        Raises:
            StartError: none answered pings within `timeout_s`, or they ended several times.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        handle = _left_behind(self._supervisor, self.folder)
        if handle is not None:
            self._on_started(handle.directory)
        for _ in range(_ATTEMPTS_AT_CREATION):
            if handle is None:
                handle = await self._launch()
            if await self._becomes_healthy(handle, deadline):
                self._watcher = asyncio.create_task(self._watch(handle))
                return
            words = _last_words(handle.directory / f"{MEMBER_NAME}.log")
            if handle.alive:
                break
            handle = None
        await self.stop(grace_s=0)
        raise StartError(words or "the model server did not answer pings")

    async def request(self, message: bytes, timeout_s: float) -> Answer:
        """Send a whole HTTP message; errors as `ChannelPool.request`."""
        assert self._pool is not None, "a server is asked only when healthy"
        return await self._pool.request(message, timeout_s)

    async def stop(self, grace_s: float) -> None:
        """End the process for good and remove its directories."""
        self._stopping = True
        self.healthy = False
        if self._watcher is not None:
            self._watcher.cancel()
        if self._handle is not None and self._handle.alive:
            self._handle.stop(grace_s)
            await self._handle.wait()
        if self._pool is not None:
            self._pool.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    @staticmethod
    async def end_leftover(supervisor: Supervisor, folder: Path, grace_s: float) -> None:
        """End the process that an earlier server left below `folder`, if it still runs."""
        handle = _left_behind(supervisor, folder)
        if handle is not None:
            handle.stop(grace_s)
            await handle.wait()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def release(self) -> None:
        """Stop watching and leave the process running, for the next server to adopt."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
        if self._pool is not None:
            self._pool.close()

    async def _launch(self) -> Handle:
        directory = await asyncio.to_thread(_next_directory, self.folder)
        handle = await self._supervisor.start(self._make_spec(directory))
        self._on_started(directory)
        return handle

    async def _becomes_healthy(self, handle: Handle, deadline: float) -> bool:
        self._handle = handle
        pool = ChannelPool(handle.directory / "run" / SOCKET_NAME)
        loop = asyncio.get_running_loop()
        pause_s = _PING_INTERVAL_S
        while loop.time() < deadline and handle.alive:
            with contextlib.suppress(FleetError):
                answer = await pool.request(_PING, _PING_TIMEOUT_S)
                if answer.status == 200:
                    self._pool = pool
                    self.healthy = True
                    return True
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, _PING_LONGEST_S)
        pool.close()
        return False

    async def _watch(self, handle: Handle) -> None:
        """Replace the process whenever it ends, until stopped."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            started = loop.time()
            await handle.wait()
            self.healthy = False
            if self._stopping:
                return
            self.restarts += 1
            if loop.time() - started > _PROVEN_S:
                pause_s = _FIRST_PAUSE_S
            _log.warning("model server %s ended; starting it again", handle.directory)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            handle = await self._launch()
            await self._becomes_healthy(handle, loop.time() + 240.0)


def _left_behind(supervisor: Supervisor, folder: Path) -> Handle | None:
    """Return the process that an earlier server started below `folder`, if it still runs."""
    number = _latest(folder)
    if number == 0:
        return None
    try:
        found = supervisor.adopt(folder / str(number))
    except StateError:
        # That server ended between making the directory and starting the process.
        return None
    return found if isinstance(found, Handle) else None


def _latest(folder: Path) -> int:
    """Return the number of the newest process's directory, 0 when there is none."""
    if not folder.is_dir():
        return 0
    return max((int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()), default=0)


def _next_directory(folder: Path) -> Path:
    """Make the next process's directory; the last one stays for its log, older ones go."""
    number = _latest(folder) + 1
    directory = folder / str(number)
    (directory / "run").mkdir(parents=True)
    if number > _KEPT_DIRECTORIES:
        shutil.rmtree(folder / str(number - _KEPT_DIRECTORIES), ignore_errors=True)
    return directory


def _last_words(log: Path) -> str:
    """Return the last line a process printed, which is what usually says why it ended."""
    try:
        text = log.read_bytes()[-4096:].decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return text.rpartition("\n")[2][:1024]
