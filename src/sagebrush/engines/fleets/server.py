"""One model-server process: started, watched, started again when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from sagebrush.base.errors import SagebrushError, StateError
from sagebrush.engines.fleets.channel import (
    Answer,
    ChannelPool,
    Done,
    Message,
    Outcome,
    compose,
)
from sagebrush.engines.fleets.errors import FleetError, ServerTimeoutError, StartError
from sagebrush.engines.fleets.exposure import Exposure, streamed
from sagebrush.engines.fleets.streaming import StreamedAnswer
from sagebrush.run.spec import ProcessSpec
from sagebrush.run.supervisor import Handle, Supervisor

SOCKET_NAME = "model.sock"
MEMBER_NAME = "server"
_PING = compose("GET", "/ping", ())
_PING_INTERVAL_S = 0.005
_PING_LONGEST_S = 0.25
_PING_TIMEOUT_S = 2.0
_RESTART_TIMEOUT_S = 240.0
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
    the one that serves, so that a restarted server finds it without any record. `on_started` and
    `on_ended` get that directory; it is not removed before `on_ended` has returned.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        folder: Path,
        make_spec: SpecFactory,
        on_started: Callable[[Path], None],
        on_ended: Callable[[Path], Awaitable[None]],
    ) -> None:
        self._supervisor = supervisor
        self.folder = folder
        self._make_spec = make_spec
        self._on_started = on_started
        self._on_ended = on_ended
        # Under what name users' faults may strike it; nothing strikes without.
        self.exposure: Exposure | None = None
        self._pool: ChannelPool | None = None
        self._handle: Handle | None = None
        self._launching: asyncio.Task[Handle] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._answered = 0
        self.healthy = False
        # Another number for every process that serves: what one of them knew, the next does not.
        self.incarnation = 0

    @property
    def outstanding(self) -> int:
        """Requests sent and not answered."""
        delayed = 0 if self.exposure is None else self.exposure.delayed
        return delayed if self._pool is None else delayed + self._pool.outstanding

    async def start(self, timeout_s: float) -> None:
        """Take over the process an earlier server left, or start one, and wait until it serves.

        Raises:
            StartError: none answered pings within `timeout_s`, or they ended several times.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        handle = await self._adopted()
        words = ""
        for _ in range(_ATTEMPTS_AT_CREATION):
            if handle is None:
                handle = await self._launch()
            if await self._becomes_healthy(handle, deadline):
                self._watcher = asyncio.create_task(self._watch(handle))
                return
            words = _last_words(handle.directory / f"{MEMBER_NAME}.log")
            if handle.alive:
                break
            await self._on_ended(handle.directory)
            handle = None
        await self.stop(grace_s=0)
        raise StartError(words or "the model server did not answer pings")

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Send a whole HTTP message; errors as `ChannelPool.request`."""
        if self.exposure is not None and self.exposure.injection.models:
            struck = await self.exposure.suffer(self._die, timeout_s)
            if struck is not None:
                return struck
        return await self.inquire(message, timeout_s)

    async def inquire(self, message: Message, timeout_s: float) -> Answer:
        """Send what is no user's request, which faults spare; errors as `ChannelPool.request`.

        A process that answered nobody at all while this request waited in vain is replaced.
        """
        assert self._pool is not None, "a server is asked only when healthy"
        answered = self._answered
        try:
            answer = await self._pool.request(message, timeout_s)
        except ServerTimeoutError:
            if self._answered == answered:
                self._give_up_on_process()
            raise
        self._answered += 1
        return answer

    def ask(self, message: Message, timeout_s: float, done: Done) -> bool:
        """Send a whole HTTP message at once; `done` gets what `request` would return or raise.

        Returns False, and has done nothing, where that takes more than writing to a connection:
        none is free, or a fault may strike.
        """
        if self._pool is None or (self.exposure is not None and self.exposure.injection.models):
            return False
        return self._pool.ask(
            message, timeout_s, functools.partial(self._settled, self._answered, done)
        )

    def _settled(self, answered: int, done: Done, outcome: Outcome) -> None:
        """`answered` is how many requests were answered when this one was sent."""
        if isinstance(outcome, Answer):
            self._answered += 1
        elif isinstance(outcome, ServerTimeoutError) and self._answered == answered:
            self._give_up_on_process()
        done(outcome)

    async def stream(self, message: bytes, timeout_s: float) -> StreamedAnswer:
        """Send a whole HTTP message and return its answer as it begins.

        Errors as `ChannelPool.stream`.
        """
        assert self._pool is not None, "a server is asked only when healthy"
        if self.exposure is not None and self.exposure.injection.models:
            struck = await self.exposure.suffer(self._die, timeout_s)
            if struck is not None:
                return streamed(struck)
        answer = await self._pool.stream(message, timeout_s)
        self._answered += 1
        return answer

    async def stop(self, grace_s: float) -> None:
        """End the process for good and remove its directories; `start` must not run any more."""
        self.healthy = False
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        if self._launching is not None:
            # What is being forked cannot be called back; it must be there to be ended.
            await asyncio.wait([self._launching])
        if self._handle is not None:
            await _end(self._handle, grace_s)
            await self._on_ended(self._handle.directory)
        if self._pool is not None:
            self._pool.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _die(self) -> None:
        """End the process as a crash does; what watches it notices as it does then."""
        if self._handle is not None and self._handle.alive:
            await self._handle.kill()

    def _give_up_on_process(self) -> None:
        if self.healthy and self._handle is not None:
            self.healthy = False
            _log.warning("model server %s answers nobody any more", self._handle.directory)
            _ask_to_end(self._handle, grace_s=0)

    async def _adopted(self) -> Handle | None:
        running = left_behind(self._supervisor, self.folder)
        if not running:
            return None
        for stray in running[:-1]:
            await stray.kill()
        self._handle = running[-1]
        self._on_started(self._handle.directory)
        return self._handle

    async def _launch(self) -> Handle:
        """Start a process; a cancelled caller leaves it to `stop`."""
        self._launching = asyncio.create_task(self._launch_uninterrupted())
        return await asyncio.shield(self._launching)

    async def _launch_uninterrupted(self) -> Handle:
        directory = await asyncio.to_thread(_next_directory, self.folder)
        self._handle = await self._supervisor.start(self._make_spec(directory))
        self._on_started(directory)
        return self._handle

    async def _becomes_healthy(self, handle: Handle, deadline: float) -> bool:
        pool = ChannelPool(handle.directory / "run" / SOCKET_NAME)
        loop = asyncio.get_running_loop()
        pause_s = _PING_INTERVAL_S
        try:
            while loop.time() < deadline and handle.alive:
                with contextlib.suppress(FleetError):
                    answer = await pool.request(_PING, _PING_TIMEOUT_S)
                    if answer.status == 200:
                        self._serve_through(pool)
                        return True
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.2, _PING_LONGEST_S)
            return False
        finally:
            if self._pool is not pool:
                pool.close()

    def _serve_through(self, pool: ChannelPool) -> None:
        if self._pool is not None:
            self._pool.close()
        self._pool = pool
        self.incarnation += 1
        self.healthy = True

    async def _watch(self, handle: Handle) -> None:
        """Replace the process whenever it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            started = loop.time()
            await handle.wait()
            self.healthy = False
            await self._on_ended(handle.directory)
            if loop.time() - started > _PROVEN_S:
                pause_s = _FIRST_PAUSE_S
            _log.warning("model server %s ended; starting it again", handle.directory)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            try:
                handle = await self._launch()
            except (SagebrushError, OSError) as error:
                _log.warning("model server %s cannot be started: %s", self.folder, error)
                continue
            healthy = await self._becomes_healthy(handle, loop.time() + _RESTART_TIMEOUT_S)
            if not healthy and handle.alive:
                _log.warning("model server %s answers no pings", handle.directory)
                await handle.kill()


def left_behind(supervisor: Supervisor, folder: Path) -> list[Handle]:
    """Return the processes that an earlier server started below `folder` and that still run.

    One is usual. There are more when that server died while it replaced a process.
    """
    running = []
    for number in _numbers(folder):
        try:
            found = supervisor.adopt(folder / str(number))
        except StateError:
            # That server ended between making the directory and starting the process.
            continue
        if isinstance(found, Handle):
            running.append(found)
    return running


async def end_leftover(supervisor: Supervisor, folder: Path, grace_s: float) -> None:
    """End what an earlier server left running below `folder`, and remove that."""
    for handle in left_behind(supervisor, folder):
        await _end(handle, grace_s)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _end(handle: Handle, grace_s: float) -> None:
    if handle.alive:
        _ask_to_end(handle, grace_s)
        await handle.wait()


def _ask_to_end(handle: Handle, grace_s: float) -> None:
    try:
        handle.stop(grace_s)
    except OSError as error:
        _log.warning("%s is stopped without a request: %s", handle.directory, error)


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the processes' directories, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())


def _next_directory(folder: Path) -> Path:
    """Make the next process's directory; the last ones stay for their logs, older ones go."""
    numbers = _numbers(folder)
    number = max(numbers, default=0) + 1
    directory = folder / str(number)
    (directory / "run").mkdir(parents=True)
    for old in numbers:
        if old <= number - _KEPT_DIRECTORIES:
            shutil.rmtree(folder / str(old), ignore_errors=True)
    return directory


def _last_words(log: Path) -> str:
    """Return the last line a process printed, which is what usually says why it ended."""
    try:
        text = log.read_bytes()[-4096:].decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return text.rpartition("\n")[2][:1024]
