"""Model servers that are there as long as they are asked: started by requests, ended when idle.

To everything else they are one server that is always healthy. Each process answers one request at
a time; as many are started as there are requests at once, up to a limit, above which requests are
refused. A process that nobody has asked for a while ends, but for those that are kept provisioned.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagebrush.base.clock import Clock
from sagebrush.engines.fleets.channel import Answer, Done, Message
from sagebrush.engines.fleets.errors import (
    FleetError,
    OversizedAnswerError,
    OversizedRequestError,
    ServerLostError,
    ServerTimeoutError,
    ThrottledError,
)
from sagebrush.engines.fleets.instance import Instance, Observer, Place
from sagebrush.engines.fleets.server import ModelServer, SpecFactory, left_behind
from sagebrush.engines.fleets.streaming import StreamedAnswer
from sagebrush.run.supervisor import Supervisor

_STOP_GRACE_S = 30.0
_END_OF_HEAD = b"\r\n\r\n"


class DemandObserver(Protocol):
    """Who is told of what the demand is."""

    def set_up(self, duration_s: float) -> None:
        """A process was started and answers."""

    def leased(self, concurrency: int, demand: Demand) -> None:
        """A request begins; `concurrency` are under way, it among them."""


@dataclass(frozen=True)
class Demand:
    """How many processes there may be, and how long one stays that nobody asks.

    `provisioned` of them are always there. `idle_s` is time of the clock. Neither what they are
    asked nor what they answer may have more than `largest_bytes`.
    """

    maximum: int
    provisioned: int
    idle_s: float
    largest_bytes: int
    clock: Clock
    observer: DemandObserver


@dataclass(eq=False)
class _Worker:
    """A process; `since` is when it was last given back."""

    ordinal: int
    server: ModelServer
    since: float = 0.0


class OnDemandServer(ModelServer):
    """Stands for all processes of a variant; `make` makes the server of a number.

    `left_behind` tells the numbers of those that an earlier process of this program left running.
    """

    def __init__(
        self,
        make: Callable[[int], ModelServer],
        left_behind: Callable[[int], bool],
        demand: Demand,
    ) -> None:
        self.demand = demand
        self.exposure = None
        self.healthy = False
        self.incarnation = 0
        self._make = make
        self._left_behind = left_behind
        # Those that were asked last are at the end, and are asked first.
        self._idle: list[_Worker] = []
        # Those at work, starting and ending as well.
        self._workers: set[_Worker] = set()
        self._leases = 0
        self._timeout_s = 0.0
        self._reaper: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def outstanding(self) -> int:
        """Requests sent and not answered."""
        return self._leases

    @property
    def process_count(self) -> int:
        """How many processes there are, those that are starting or ending included."""
        return len(self._workers)

    async def start(self, timeout_s: float) -> None:
        """Take over what an earlier server left, and start what is provisioned.

        Where nothing is to be there, a process is tried and ended again.

        Raises:
            StartError: one did not become healthy.
        """
        self._timeout_s = timeout_s
        found = [number for number in range(self.demand.maximum) if self._left_behind(number)]
        try:
            await self._add(found)
            await self._provide()
            if not self._idle:
                tried = await self._begin(0)
                await self._end(tried)
        except BaseException:
            await self.stop(grace_s=0)
            raise
        self.healthy = True
        self._reap()

    async def change(self, demand: Demand) -> None:
        """Let `demand` count from now on.

        Raises:
            StartError: what is to be provisioned did not become healthy; the old one counts on.
        """
        before, self.demand = self.demand, demand
        try:
            await self._provide()
        except BaseException:
            self.demand = before
            raise
        self._reap()

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Have a process of its own answer a request; it is started first where none is free.

        Raises:
            OversizedRequestError, OversizedAnswerError: more than there may be.
            ThrottledError: as many requests as there may be at once are under way.
            StartError: the process did not become healthy.
            ServerLostError, ServerTimeoutError: as of any server.
        """
        limit = self.demand.largest_bytes
        if _body_size(message) > limit:
            raise OversizedRequestError(f"the request body is larger than {limit} bytes")
        async with self._lease() as server:
            answer = await server.request(message, timeout_s)
        if len(answer.body) > limit:
            raise OversizedAnswerError(f"the response body is larger than {limit} bytes")
        return answer

    def ask(self, _message: Message, _timeout_s: float, _done: Done) -> bool:
        """Return False: a process may have to be started first."""
        return False

    async def stream(self, _message: bytes, _timeout_s: float) -> StreamedAnswer:
        """Refuse: an answer that is passed on while it is made would outlast its lease."""
        raise FleetError("model servers that are started by requests do not stream")

    async def stop(self, grace_s: float) -> None:
        """End all processes for good."""
        self.healthy = False
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.wait([self._reaper])
        self._idle.clear()
        if self._ending:
            await asyncio.wait(self._ending)
        await asyncio.gather(*(self._end(worker, grace_s) for worker in list(self._workers)))

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[ModelServer]:
        demand = self.demand
        if self._leases >= demand.maximum:
            raise ThrottledError(f"{demand.maximum} requests are under way")
        self._leases += 1
        try:
            demand.observer.leased(self._leases, demand)
            worker = await self._take()
            try:
                yield worker.server
            except (ServerLostError, ServerTimeoutError):
                # Whatever became of it, the next request gets another.
                self._end_soon(worker)
                raise
            except BaseException:
                self._give(worker)
                raise
            self._give(worker)
        finally:
            self._leases -= 1

    async def _take(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.server.healthy:
                return worker
            self._end_soon(worker)
        began = time.perf_counter()
        worker = await self._begin(next(self._free()))
        self.demand.observer.set_up(time.perf_counter() - began)
        return worker

    def _give(self, worker: _Worker) -> None:
        if self._closed:
            return  # it ends with the rest
        worker.since = self.demand.clock.now()
        self._idle.append(worker)
        self._reap()

    async def _provide(self) -> None:
        """Start what is provisioned and not there."""
        missing = self.demand.provisioned - len(self._workers)
        numbers = self._free()
        await self._add([next(numbers) for _ in range(missing)])

    async def _add(self, numbers: Iterable[int]) -> None:
        """Start the processes of these numbers, all at once; raise what the first raised."""
        starting = [self._begin(number) for number in numbers]
        for outcome in await asyncio.gather(*starting, return_exceptions=True):
            if isinstance(outcome, _Worker):
                outcome.since = self.demand.clock.now()
                self._idle.append(outcome)
            else:
                raise outcome

    async def _begin(self, ordinal: int) -> _Worker:
        worker = _Worker(ordinal, self._make(ordinal))
        worker.server.exposure = self.exposure
        self._workers.add(worker)
        try:
            await worker.server.start(self._timeout_s)
        except BaseException:
            self._end_soon(worker)
            raise
        return worker

    def _free(self) -> Iterator[int]:
        """Yield the numbers that no process has, the lowest first."""
        taken = {worker.ordinal for worker in self._workers}
        return (number for number in itertools.count() if number not in taken)

    async def _end(self, worker: _Worker, grace_s: float = _STOP_GRACE_S) -> None:
        await worker.server.stop(grace_s)
        self._workers.discard(worker)

    def _end_soon(self, worker: _Worker) -> None:
        task = asyncio.create_task(self._end(worker, grace_s=0), name="a process on demand ends")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _reap(self) -> None:
        """See to it that what is idle for long enough ends."""
        if (self._reaper is None or self._reaper.done()) and self._superfluous:
            self._reaper = asyncio.create_task(self._end_idle(), name="idle processes end")

    @property
    def _superfluous(self) -> bool:
        return bool(self._idle) and len(self._idle) + self._leases > self.demand.provisioned

    async def _end_idle(self) -> None:
        clock = self.demand.clock
        while self._superfluous:
            worker = self._idle[0]
            moment = worker.since + self.demand.idle_s
            if moment > clock.now():
                await clock.sleep_until(moment)
            else:
                self._idle.remove(worker)
                await self._end(worker)


def make_on_demand(
    supervisor: Supervisor,
    folder: Path,
    place: Place,
    make_spec: SpecFactory,
    observer: Observer,
    demand: Demand,
) -> Instance:
    """Return an instance whose one server stands for processes at the places beside `place`."""

    def server(ordinal: int) -> ModelServer:
        own = place._replace(ordinal=ordinal)
        return ModelServer(
            supervisor,
            folder / own.folder_name,
            make_spec,
            functools.partial(observer.server_started, own),
            observer.server_ended,
        )

    def is_left(ordinal: int) -> bool:
        return bool(left_behind(supervisor, folder / place._replace(ordinal=ordinal).folder_name))

    whole = OnDemandServer(server, is_left, demand)
    return Instance(place.ordinal, {place.container: whole}, place.instance_key)


def _body_size(message: Message) -> int:
    if isinstance(message, bytes):
        return len(message) - message.find(_END_OF_HEAD) - len(_END_OF_HEAD)
    return len(message[1])
