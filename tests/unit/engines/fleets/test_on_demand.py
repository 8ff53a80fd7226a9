"""Model servers that requests start: how many there are, who is asked, when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.engines.fleets.conftest import play, until

from sagebrush.base.clock import ManualClock
from sagebrush.engines.fleets import Answer, Demand, ServerLostError, StartError, ThrottledError
from sagebrush.engines.fleets.errors import OversizedAnswerError, OversizedRequestError
from sagebrush.engines.fleets.on_demand import OnDemandServer

IDLE_S = 300.0
HEAD = b"POST /invocations HTTP/1.1\r\n\r\n"


class Process:
    """A model server without a process."""

    def __init__(self, scene: Scene, number: int) -> None:
        self._scene = scene
        self.number = number
        self.healthy = False
        self.exposure = None
        self.asked = 0
        self.most_at_once = 0
        self._at_once = 0
        self.stopped: float | None = None

    async def start(self, timeout_s: float) -> None:
        assert timeout_s == 180.0
        self._scene.started.append(self.number)
        await self._scene.starting.wait()
        if self._scene.broken:
            raise StartError("broken")
        self.healthy = True
        self._scene.alive.add(self)

    async def request(self, message: bytes, timeout_s: float) -> Answer:
        assert self.healthy
        assert timeout_s == 60.0
        self.asked += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await self._scene.answering.wait()
            if isinstance(self._scene.says, Exception):
                raise self._scene.says
            return Answer(200, {}, self._scene.says)
        finally:
            self._at_once -= 1

    async def stop(self, grace_s: float) -> None:
        self.healthy = False
        self.stopped = grace_s
        self._scene.alive.discard(self)


class Scene:
    """A variant on demand, on a clock that moves when told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.started: list[int] = []
        self.alive: set[Process] = set()
        self.left: set[int] = set()
        self.says: bytes | Exception = b"ok"
        self.broken = False
        self.starting, self.answering = asyncio.Event(), asyncio.Event()
        self.starting.set()
        self.answering.set()
        self.set_ups = 0
        self.concurrencies: list[int] = []
        self.server: OnDemandServer
        self.make_server()

    def make_server(self, maximum: int = 3, provisioned: int = 0) -> None:
        self.server = OnDemandServer(
            lambda number: Process(self, number),  # type: ignore[arg-type,return-value]
            lambda number: number in self.left,
            self.demand(maximum, provisioned),
        )

    def demand(self, maximum: int, provisioned: int = 0) -> Demand:
        return Demand(maximum, provisioned, IDLE_S, 1000, self.clock, self)

    def set_up(self, duration_s: float) -> None:
        assert duration_s >= 0
        self.set_ups += 1

    def leased(self, concurrency: int, demand: Demand) -> None:
        assert demand is self.server.demand
        self.concurrencies.append(concurrency)

    async def begin(self, **limits: int) -> None:
        self.make_server(**limits)
        await self.server.start(180.0)

    async def ask(self, body: bytes = b"") -> Answer:
        return await self.server.request(HEAD + body, 60.0)

    def asked(self) -> asyncio.Task[Answer]:
        return asyncio.create_task(self.ask())

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(0)  # whoever is to sleep does
        await asyncio.sleep(0)
        self.clock.advance(seconds)
        for _ in range(5):
            await asyncio.sleep(0)


def on_stage(story: Callable[[Scene], Awaitable[Any]]) -> None:
    async def scene() -> None:
        await story(Scene())

    play(scene())


def test_a_process_is_tried_and_ended_before_anybody_asks() -> None:
    async def story(scene: Scene) -> None:
        assert not scene.server.healthy
        await scene.begin()
        assert scene.started == [0]
        assert not scene.alive
        assert scene.server.healthy
        assert scene.server.process_count == 0

    on_stage(story)


def test_what_does_not_start_is_told_and_leaves_nothing() -> None:
    async def story(scene: Scene) -> None:
        scene.broken = True
        for provisioned in (0, 2):
            with pytest.raises(StartError, match="broken"):
                await scene.begin(provisioned=provisioned)
            assert not scene.alive
            assert not scene.server.healthy
            assert scene.server.process_count == 0

    on_stage(story)


def test_each_process_answers_one_request_at_a_time_and_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin()
        scene.started.clear()
        assert (await scene.ask()).body == b"ok"
        assert (await scene.ask()).body == b"ok"
        assert scene.started == [0]
        scene.answering.clear()
        tasks = [scene.asked(), scene.asked()]
        await until(lambda: sum(process.asked for process in scene.alive) == 4)
        assert scene.started == [0, 1]
        assert scene.server.outstanding == 2
        scene.answering.set()
        await asyncio.gather(*tasks)
        assert all(process.most_at_once == 1 for process in scene.alive)
        assert scene.set_ups == 2
        assert scene.concurrencies == [1, 1, 1, 2]
        assert scene.server.outstanding == 0

    on_stage(story)


def test_requests_above_the_limit_are_refused_at_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(maximum=2)
        scene.starting.clear()  # those that are only starting count, too
        tasks = [scene.asked(), scene.asked()]
        await until(lambda: scene.server.outstanding == 2)
        with pytest.raises(ThrottledError):
            await scene.ask()
        scene.starting.set()
        await asyncio.gather(*tasks)
        await scene.ask()

    on_stage(story)


def test_idle_processes_end_on_the_clock_the_last_asked_last() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin()
        scene.answering.clear()
        tasks = [scene.asked(), scene.asked()]
        await until(lambda: len(scene.alive) == 2)
        scene.answering.set()
        await asyncio.gather(*tasks)
        await scene.pass_time(IDLE_S - 1)
        assert len(scene.alive) == 2
        await scene.ask()
        await scene.pass_time(1)
        (left,) = scene.alive
        assert left.asked == 2
        await scene.pass_time(IDLE_S - 1)
        assert not scene.alive
        await scene.ask()
        assert len(scene.alive) == 1
        await scene.pass_time(IDLE_S)
        assert not scene.alive

    on_stage(story)


def test_a_process_at_work_does_not_end() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin()
        await scene.ask()
        scene.answering.clear()
        task = scene.asked()
        await scene.pass_time(10 * IDLE_S)
        assert len(scene.alive) == 1
        scene.answering.set()
        await task
        await scene.pass_time(IDLE_S)
        assert not scene.alive

    on_stage(story)


def test_provisioned_processes_are_there_before_and_after() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(maximum=3, provisioned=2)
        assert sorted(scene.started) == [0, 1]
        scene.answering.clear()
        tasks = [scene.asked() for _ in range(3)]
        await until(lambda: len(scene.alive) == 3)
        assert scene.set_ups == 1
        scene.answering.set()
        await asyncio.gather(*tasks)
        await scene.pass_time(10 * IDLE_S)
        assert len(scene.alive) == 2

    on_stage(story)


def test_another_demand_counts_from_the_next_request() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(maximum=1)
        await scene.server.change(scene.demand(2, 2))
        assert len(scene.alive) == 2
        scene.broken = True
        with pytest.raises(StartError):
            await scene.server.change(scene.demand(3, 3))
        assert scene.server.demand.maximum == 2
        await scene.server.change(scene.demand(2, 0))
        await scene.pass_time(IDLE_S)
        assert not scene.alive

    on_stage(story)


def test_a_process_that_died_or_hangs_is_not_asked_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(maximum=1)
        scene.says = ServerLostError("died")
        with pytest.raises(ServerLostError):
            await scene.ask()
        await until(lambda: not scene.alive)
        scene.says = b"ok"
        assert (await scene.ask()).body == b"ok"
        (process,) = scene.alive
        process.healthy = False  # it died while nobody asked
        assert (await scene.ask()).body == b"ok"
        await until(lambda: process.stopped is not None)

    on_stage(story)


def test_processes_of_an_earlier_server_are_taken_over() -> None:
    async def story(scene: Scene) -> None:
        scene.left = {1, 2}
        await scene.begin()
        assert sorted(process.number for process in scene.alive) == [1, 2]
        scene.started.clear()
        await scene.ask()
        assert not scene.started
        await scene.pass_time(IDLE_S)
        assert not scene.alive

    on_stage(story)


def test_stopping_ends_everything_and_what_is_under_way_is_not_kept() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(maximum=2, provisioned=2)
        scene.answering.clear()
        task = scene.asked()
        await until(lambda: any(process.asked for process in scene.alive))
        await scene.server.stop(30.0)
        assert not scene.alive
        scene.answering.set()
        await task
        assert scene.server.process_count == 0

    on_stage(story)


def test_bodies_have_a_limit() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin()
        assert (await scene.ask(b"x" * 1000)).body == b"ok"
        with pytest.raises(OversizedRequestError):
            await scene.ask(b"x" * 1001)
        scene.says = b"x" * 1001
        with pytest.raises(OversizedAnswerError):
            await scene.ask()

    on_stage(story)


def test_nobody_is_asked_at_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.begin(provisioned=1)
        assert not scene.server.ask(HEAD, 60.0, lambda _: pytest.fail("nobody was asked"))
        assert scene.server.outstanding == 0
        assert scene.concurrencies == []

    on_stage(story)
