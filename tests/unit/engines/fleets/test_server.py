"""A model server's life: started, adopted, replaced, stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.engines.fleets.conftest import (
    ANSWER,
    FakeSupervisor,
    Observed,
    play,
    serve_well,
    spec_of,
    until,
)

from sagebrush.engines.fleets import (
    Answer,
    Outcome,
    Place,
    ServerTimeoutError,
    StartError,
    compose,
)
from sagebrush.engines.fleets import server as module
from sagebrush.engines.fleets.exposure import Exposure
from sagebrush.engines.fleets.server import ModelServer, end_leftover
from sagebrush.run.families import StartError as ProcessStartError

INVOKE = compose("POST", "/invocations", (), b"1")


class Scene:
    def __init__(self, folder: Path, supervisor: FakeSupervisor | None = None) -> None:
        self.supervisor = supervisor or FakeSupervisor()
        self.observed = Observed()
        self.server = ModelServer(
            self.supervisor,  # type: ignore[arg-type]
            folder / "one",
            spec_of,
            lambda directory: self.observed.server_started(Place("f", "v", 0), directory),
            self.observed.server_ended,
        )

    async def answers(self) -> bool:
        return (await self.server.request(INVOKE, 5.0)).body == b"ok"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause before a replacement, none of which is waited for."""
    seen: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float, *rest: Any) -> None:
        if seconds >= module._FIRST_PAUSE_S and seconds != module._PING_LONGEST_S:
            seen.append(seconds)
            seconds = 0
        await real(seconds, *rest)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return seen


def test_a_server_is_healthy_once_it_answers_and_gone_once_stopped(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        assert not scene.server.healthy
        await scene.server.start(10.0)
        assert scene.server.healthy
        assert await scene.answers()
        (process,) = scene.supervisor.alive
        assert process.directory == folder / "one" / "1"
        await scene.server.stop(7.0)
        assert process.asked_to_stop == [7.0]
        assert not scene.server.healthy
        assert scene.observed.started == [("v", 0, process.directory)]
        assert scene.observed.ended == [process.directory]
        assert scene.observed.existed_at_end == [True]
        assert not (folder / "one").exists()

    play(story())


def test_one_that_never_answers_is_refused_and_leaves_nothing(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = None
        with pytest.raises(StartError, match="did not answer pings"):
            await scene.server.start(0.05)
        assert not scene.supervisor.alive
        assert not (folder / "one").exists()

    play(story())


def test_one_that_ends_at_once_is_tried_three_times_and_its_last_words_told(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.stillborn = 9
        start = scene.supervisor.start

        async def speaking(spec: Any) -> Any:
            process = await start(spec)
            (process.directory / "server.log").write_text("loading\nCustomer Error: no model\n\n")
            return process

        scene.supervisor.start = speaking  # type: ignore[method-assign]
        with pytest.raises(StartError, match=r"^Customer Error: no model$"):
            await scene.server.start(10.0)
        assert len(scene.supervisor.processes) == 3
        assert set(scene.observed.ended) == set(scene.supervisor.processes)
        assert all(scene.observed.existed_at_end[:3])

    play(story())


def test_one_that_recovers_at_the_third_attempt_serves(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.stillborn = 2
        await scene.server.start(10.0)
        assert await scene.answers()

    play(story())


def test_a_dead_process_is_replaced_with_growing_pauses(folder: Path, pauses: list[float]) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        for life in range(10):
            (process,) = scene.supervisor.alive
            process.die()
            await until(lambda life=life: len(scene.supervisor.processes) == life + 2)
            await until(lambda: scene.server.healthy)
        assert await scene.answers()
        # Only the newest few directories are kept, and the numbers go on.
        kept = sorted(int(path.name) for path in (folder / "one").iterdir())
        assert kept == [9, 10, 11]
        await scene.server.stop(0)

    play(story())
    assert pauses == [min(0.05 * 2**life, 10.0) for life in range(10)]


def test_one_that_had_proven_itself_is_replaced_quickly_again(
    folder: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROVEN_S", 0.0)

    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        for life in range(4):
            scene.supervisor.alive[0].die()
            await until(lambda life=life: len(scene.supervisor.processes) == life + 2)
            await until(lambda: scene.server.healthy)
        await scene.server.stop(0)

    play(story())
    assert set(pauses) == {module._FIRST_PAUSE_S}


@pytest.mark.parametrize("trouble", [OSError("no space"), ProcessStartError("no parent")])
def test_trouble_with_starting_a_replacement_does_not_end_the_watch(
    folder: Path, pauses: list[float], trouble: Exception
) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        scene.supervisor.refusals = [trouble] * 3
        scene.supervisor.alive[0].die()
        await until(lambda: len(scene.supervisor.processes) == 2 and scene.server.healthy)
        assert await scene.answers()
        await scene.server.stop(0)

    play(story())
    assert pauses == [0.05, 0.1, 0.2, 0.4]


def test_a_replacement_that_answers_no_pings_is_replaced_too(
    folder: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTART_TIMEOUT_S", 0.02)

    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        scene.supervisor.converse = None
        scene.supervisor.alive[0].die()
        await until(lambda: len(scene.supervisor.processes) == 3)
        scene.supervisor.converse = serve_well
        await until(lambda: scene.server.healthy)
        assert len(scene.supervisor.alive) == 1
        await scene.server.stop(0)

    play(story())


def test_one_that_answers_nobody_any_more_is_replaced(folder: Path, pauses: list[float]) -> None:
    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"/ping" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
        await reader.read()

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = hangs
        await scene.server.start(10.0)
        (hung,) = scene.supervisor.alive
        scene.supervisor.converse = serve_well
        together = [scene.server.request(INVOKE, 0.03) for _ in range(3)]
        outcomes = await asyncio.gather(*together, return_exceptions=True)
        assert all(isinstance(outcome, Exception) for outcome in outcomes)
        assert hung.asked_to_stop == [0]
        await until(lambda: scene.server.healthy)
        assert await scene.answers()
        await scene.server.stop(0)

    play(story())


def test_one_that_is_slow_with_one_request_but_answers_others_stays(folder: Path) -> None:
    slow = compose("POST", "/slow", (), b"1")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/slow" in head:
                await reader.read()
                return
            if b"/ping" not in head:
                await reader.readexactly(1)
            writer.write(ANSWER)

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = converse
        await scene.server.start(10.0)
        waiting = asyncio.create_task(scene.server.request(slow, 0.05))
        await until(lambda: scene.server.outstanding == 1)
        assert await scene.answers()
        with pytest.raises(ServerTimeoutError):
            await waiting
        assert scene.server.healthy
        assert len(scene.supervisor.alive) == 1
        await scene.server.stop(0)

    play(story())


def test_stopping_while_a_replacement_starts_leaves_no_process(
    folder: Path, pauses: list[float]
) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        start, under_way = scene.supervisor.start, asyncio.Event()
        go_on = asyncio.Event()

        async def slow(spec: Any) -> Any:
            under_way.set()
            await go_on.wait()
            return await start(spec)

        scene.supervisor.start = slow  # type: ignore[method-assign]
        scene.supervisor.alive[0].die()
        await under_way.wait()
        stopping = asyncio.create_task(scene.server.stop(0))
        await asyncio.sleep(0.02)
        assert not stopping.done()
        go_on.set()
        await stopping
        assert len(scene.supervisor.processes) == 2
        assert not scene.supervisor.alive
        assert not (folder / "one").exists()

    play(story())


def test_a_process_left_running_is_taken_over_and_older_ones_end(folder: Path) -> None:
    async def story() -> None:
        first = Scene(folder)
        for number in (1, 2):
            directory = folder / "one" / str(number)
            (directory / "run").mkdir(parents=True)
            await first.supervisor.start(spec_of(directory))
        # A directory whose process was never started does not matter.
        (folder / "one" / "3").mkdir()
        second = Scene(folder, first.supervisor)
        await second.server.start(10.0)
        (process,) = first.supervisor.alive
        assert process.directory.name == "2"
        assert second.observed.started == [("v", 0, process.directory)]
        assert await second.answers()
        await second.server.stop(0)
        assert not first.supervisor.alive

    play(story())


def test_leftovers_end_whatever_their_number(folder: Path) -> None:
    async def story() -> None:
        supervisor = FakeSupervisor()
        for number in (1, 2):
            directory = folder / "one" / str(number)
            (directory / "run").mkdir(parents=True)
            await supervisor.start(spec_of(directory))
        (folder / "one" / "notes").write_text("no number")
        await end_leftover(supervisor, folder / "one", 3.0)  # type: ignore[arg-type]
        assert [process.asked_to_stop for process in supervisor.processes.values()] == [[3.0]] * 2
        assert not (folder / "one").exists()
        await end_leftover(supervisor, folder / "one", 3.0)  # type: ignore[arg-type]

    play(story())


async def hangs_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer pings and the first other request of a connection, then nothing."""
    answered = 0
    while answered < 2:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/ping" not in head:
            await reader.readexactly(1)
            answered += 1
        if answered < 2:
            writer.write(ANSWER)
    await reader.read()


def test_nobody_can_be_asked_before_anything_serves(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        assert not scene.server.ask(INVOKE, 5.0, lambda _: pytest.fail("nobody was asked"))
        await scene.server.start(10.0)
        await scene.server.stop(0)
        assert not scene.server.ask(INVOKE, 5.0, lambda _: pytest.fail("nobody was asked"))

    play(story())


def test_a_server_that_is_asked_tells_the_answer(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.server.start(10.0)
        outcomes: list[Outcome] = []
        assert scene.server.ask(INVOKE, 5.0, outcomes.append)
        assert scene.server.outstanding == 1
        await until(lambda: bool(outcomes))
        (answer,) = outcomes
        assert isinstance(answer, Answer)
        assert answer.body == b"ok"
        assert scene.server.outstanding == 0
        await scene.server.stop(0)

    play(story())


def test_a_server_that_a_fault_may_strike_is_not_asked_at_once(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        injection: Any = SimpleNamespace(models=["a fault"])
        scene.server.exposure = Exposure(injection, "account", "endpoint/e/v")
        await scene.server.start(10.0)
        outcomes: list[Outcome] = []
        assert not scene.server.ask(INVOKE, 5.0, outcomes.append)
        assert scene.server.outstanding == 0
        injection.models.clear()
        assert scene.server.ask(INVOKE, 5.0, outcomes.append)
        await until(lambda: bool(outcomes))
        assert len(outcomes) == 1
        await scene.server.stop(0)

    play(story())


def test_one_that_answers_nobody_who_asks_is_replaced(folder: Path, pauses: list[float]) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = hangs_after_one
        await scene.server.start(10.0)
        (hung,) = scene.supervisor.alive
        assert await scene.answers()
        scene.supervisor.converse = serve_well
        outcomes: list[Outcome] = []
        assert scene.server.ask(INVOKE, 0.03, outcomes.append)
        await until(lambda: bool(outcomes))
        assert isinstance(outcomes[0], ServerTimeoutError)
        assert hung.asked_to_stop == [0]
        await until(lambda: scene.server.healthy)
        assert await scene.answers()
        await scene.server.stop(0)

    play(story())


@pytest.mark.parametrize("way", ["request", "ask"])
def test_one_that_answers_others_meanwhile_stays(folder: Path, way: str) -> None:
    ping = compose("GET", "/ping", ())

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = hangs_after_one
        await scene.server.start(10.0)
        await asyncio.gather(*(scene.answers() for _ in range(2)))
        late: list[Outcome] = []
        others: list[Outcome] = []
        assert scene.server.ask(INVOKE, 0.05, late.append)
        if way == "ask":
            assert scene.server.ask(ping, 5.0, others.append)
        else:
            others.append(await scene.server.request(ping, 5.0))
        await until(lambda: bool(late and others))
        assert isinstance(late[0], ServerTimeoutError)
        assert isinstance(others[0], Answer)
        assert scene.server.healthy
        assert len(scene.supervisor.alive) == 1
        await scene.server.stop(0)

    play(story())
