"""Steps wake sleepers in time order and wait for them; the clock survives its server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sagebrush.base.adjustable_clock import AdjustableClock, Step
from sagebrush.base.errors import ConfigurationError, StateError

HOUR_S = 3600.0
START = 1_800_000_000.0
Scenario = Callable[[AdjustableClock], Awaitable[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


_begun: set[asyncio.Task[Any]] = set()


def begin(work: Coroutine[Any, Any, Any]) -> None:
    """Begin a task that nobody waits for."""
    task = asyncio.create_task(work)
    _begun.add(task)
    task.add_done_callback(_begun.discard)


def stopped(path: Path) -> AdjustableClock:
    clock = AdjustableClock(path)
    clock.start_at(START, 0.0)
    return clock


def played(path: Path, scenario: Scenario) -> Any:
    """Return what a scenario on a stopped clock returns, and that it left no sleeper."""

    async def play() -> Any:
        clock = stopped(path)
        try:
            async with asyncio.timeout(20):
                return await scenario(clock)
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            assert not clock._sleepers
            assert not clock._asleep

    return asyncio.run(play())


def test_it_is_the_machines_clock_itself_unless_told_otherwise(path: Path) -> None:
    clock = AdjustableClock(path)
    assert clock.now is time.time
    assert (clock.is_real, clock.rate, clock.ahead_s) == (True, 1.0, 0.0)
    assert not path.exists()


def test_a_step_wakes_in_time_order_at_their_moments(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> tuple[list[tuple[str, float]], Step]:
        seen: list[tuple[str, float]] = []

        async def sleeper(name: str, after_s: float) -> None:
            await clock.sleep_until(START + after_s)
            seen.append((name, clock.now() - START))

        for name, after_s in (("c", 30), ("a", 10), ("late", 7200), ("b", 10), ("d", 3600)):
            begin(sleeper(name, after_s))
        await asyncio.sleep(0)
        return seen, await clock.advance(HOUR_S)

    seen, step = played(path, scenario)
    assert seen == [("a", 10), ("b", 10), ("c", 30), ("d", 3600)]
    assert step == Step(START + HOUR_S, 3, ())


def test_who_sleeps_again_within_a_step_is_woken_again(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []

        async def periodic() -> None:
            while True:
                await clock.sleep_until(clock.now() + 600)
                await asyncio.sleep(0.001)  # work that takes real time
                seen.append(clock.now() - START)

        begin(periodic())
        await asyncio.sleep(0)
        await clock.advance(HOUR_S)
        return seen

    assert played(path, scenario) == [600, 1200, 1800, 2400, 3000, 3600]


def test_two_that_answer_each_other_keep_the_order_of_time(path: Path) -> None:
    """An alarm that is evaluated each minute sees what a deployment did between."""

    async def scenario(clock: AdjustableClock) -> list[str]:
        seen: list[str] = []

        async def alarm() -> None:
            while True:
                await clock.sleep_until(clock.now() + 60)
                seen.append(f"alarm {clock.now() - START:.0f}")

        async def deployment() -> None:
            await clock.sleep_until(START + 90)
            await asyncio.to_thread(time.sleep, 0.02)
            seen.append(f"shift {clock.now() - START:.0f}")

        for work in (alarm, deployment):
            begin(work())
        await asyncio.sleep(0)
        await clock.advance(150)
        return seen

    assert played(path, scenario) == ["alarm 60", "shift 90", "alarm 120"]


def test_tasks_that_woken_tasks_start_take_part(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []
        background: set[asyncio.Task[None]] = set()

        async def child() -> None:
            await asyncio.sleep(0.02)  # a model server comes up
            await clock.sleep_until(clock.now() + 60)
            seen.append(clock.now() - START)

        async def parent() -> None:
            await clock.sleep_until(START + 60)
            background.add(asyncio.create_task(child()))
            await clock.sleep_until(START + 1e9)

        clock.watch(background)
        task = asyncio.create_task(parent())
        await asyncio.sleep(0)
        await clock.advance(HOUR_S)
        task.cancel()
        return seen

    assert played(path, scenario) == [120]


def test_a_step_waits_for_what_is_under_way_before_it_begins(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []
        background: set[asyncio.Task[None]] = set()
        clock.watch(background)

        async def deployment() -> None:
            await asyncio.sleep(0.05)
            await clock.sleep_until(clock.now() + 600)
            seen.append(clock.now() - START)

        background.add(asyncio.create_task(deployment()))
        await clock.advance(HOUR_S)
        return seen

    assert played(path, scenario) == [600]


@pytest.mark.parametrize("way", ["gather", "wait", "wait_for", "group", "task", "first"])
def test_a_task_that_waits_for_sleepers_is_asleep(path: Path, way: str) -> None:
    async def scenario(clock: AdjustableClock) -> Step:
        async def sleeps(after_s: float = 2 * HOUR_S) -> None:
            await clock.sleep_until(clock.now() + after_s)

        async def parent() -> None:
            await sleeps(60)
            if way == "gather":
                await asyncio.gather(sleeps(), sleeps())
            elif way == "wait":
                await asyncio.wait([asyncio.create_task(sleeps())])
            elif way == "wait_for":
                await asyncio.wait_for(sleeps(), 1000)
            elif way == "task":
                await asyncio.create_task(sleeps())
            elif way == "first":
                stop = asyncio.create_task(asyncio.Event().wait())
                sleep = asyncio.create_task(sleeps())
                await asyncio.wait({stop, sleep}, return_when=asyncio.FIRST_COMPLETED)
            else:
                async with asyncio.TaskGroup() as group:
                    group.create_task(sleeps())

        begin(parent())
        await asyncio.sleep(0)
        return await clock.advance(HOUR_S, limit_s=5)

    assert played(path, scenario) == Step(START + HOUR_S, 1, ())


def test_who_goes_on_when_a_sleeper_ends_is_waited_for(path: Path) -> None:
    """The parent was not woken by the clock, but by its child's end."""

    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []

        async def parent() -> None:
            sleepers = (clock.sleep_until(START + after_s) for after_s in (30, 60))
            await asyncio.gather(*map(asyncio.ensure_future, sleepers))
            await asyncio.to_thread(time.sleep, 0.05)
            seen.append(clock.now() - START)

        begin(parent())
        for _ in range(3):
            await asyncio.sleep(0)
        await clock.advance(HOUR_S)
        return seen

    assert played(path, scenario) == [60]


def test_who_works_beside_a_sleeper_of_its_own_is_waited_for(path: Path) -> None:
    """A start with a limit on the clock: the limit's sleep does not count as the start's end."""

    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []

        async def parent() -> None:
            await clock.sleep_until(START + 60)
            limit = asyncio.create_task(clock.sleep_until(START + 600))
            work = asyncio.create_task(asyncio.to_thread(time.sleep, 0.05))
            await asyncio.wait({limit, work}, return_when=asyncio.FIRST_COMPLETED)
            seen.append(clock.now() - START)

        begin(parent())
        await asyncio.sleep(0)
        await clock.advance(HOUR_S)
        return seen

    assert played(path, scenario) == [60]


def test_who_waits_for_nobody_at_work_does_not_hold_a_step_up(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> Step:
        async def consumer() -> None:
            await clock.sleep_until(START + 60)
            await asyncio.Queue[int]().get()

        begin(consumer())
        await asyncio.sleep(0)
        return await clock.advance(HOUR_S, limit_s=30)

    assert played(path, scenario) == Step(START + HOUR_S, 1, ())


def test_who_does_not_settle_within_the_limit_is_told_and_left_alone(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> tuple[Step, Step]:
        async def stuck() -> None:
            await clock.sleep_until(START + 60)
            await asyncio.sleep(1000)

        background = {asyncio.create_task(stuck(), name="endpoint slow")}
        clock.watch(background)
        await asyncio.sleep(0)
        first = await clock.advance(HOUR_S, limit_s=0.1)
        return first, await clock.advance(HOUR_S, limit_s=1000)

    first, second = played(path, scenario)
    assert first == Step(START + HOUR_S, 1, ("endpoint slow",))
    assert second == Step(START + 2 * HOUR_S, 0, ())


def test_what_was_there_before_is_not_waited_for(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> Step:
        background = {asyncio.create_task(asyncio.sleep(1000))}
        clock.watch(background)
        return await clock.advance(HOUR_S, limit_s=1000)

    assert played(path, scenario).unsettled == ()


def test_a_cancelled_sleeper_leaves_nothing_behind(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> Step:
        kept = asyncio.create_task(clock.sleep_until(START + 20))
        gone = asyncio.create_task(clock.sleep_until(START + 10))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert len(clock._sleepers) == 1
        step = await clock.advance(60)
        await kept
        return step

    assert played(path, scenario).moments == 1


def test_the_order_stays_when_sleepers_are_cancelled_in_between(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> list[int]:
        seen: list[int] = []

        async def sleeper(after_s: int) -> None:
            await clock.sleep_until(START + after_s)
            seen.append(after_s)

        order = Random(3).sample(range(1, 200), 100)
        tasks = {after_s: asyncio.create_task(sleeper(after_s)) for after_s in order}
        await asyncio.sleep(0)
        for after_s in order[::3]:
            tasks.pop(after_s).cancel()
            await asyncio.sleep(0)
        await clock.advance(HOUR_S)
        assert sorted(tasks) == sorted(seen)
        return seen

    seen = played(path, scenario)
    assert seen == sorted(seen)


def test_steps_asked_for_meanwhile_follow_each_other(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> list[float]:
        steps = await asyncio.gather(clock.advance(60), clock.advance(60))
        return [step.now - START for step in steps]

    assert played(path, scenario) == [60, 120]


def test_a_step_that_is_given_up_leaves_the_clock_where_it_is(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> float:
        async def stuck() -> None:
            await clock.sleep_until(START + 60)
            await asyncio.sleep(1000)

        begin(stuck())
        await asyncio.sleep(0)
        step = asyncio.create_task(clock.advance(HOUR_S, limit_s=1000))
        while clock.now() == START:
            await asyncio.sleep(0.001)
        step.cancel()
        await asyncio.wait([step])
        return AdjustableClock(path).now()

    assert played(path, scenario) == START + 60


@pytest.mark.parametrize("rate", [1000.0, 1.0])
def test_sleepers_wake_by_themselves_at_any_rate(path: Path, rate: float) -> None:
    async def scenario(clock: AdjustableClock) -> tuple[float, float]:
        sleeper = asyncio.create_task(clock.sleep_until(START + 0.05 * rate))
        await asyncio.sleep(0)
        await clock.run(rate)
        await sleeper
        woken = clock.now()
        await clock.run(0)
        return woken, clock.now()

    woken, then = played(path, scenario)
    assert START + 0.05 * rate <= woken <= then


def test_real_time_wakes_too(path: Path) -> None:
    async def scenario() -> bool:
        clock = AdjustableClock(path)
        moment = time.time() + 0.05
        late = asyncio.create_task(clock.sleep_until(moment + 100))
        await clock.sleep_until(moment)
        late.cancel()
        return time.time() >= moment

    assert asyncio.run(scenario())


def test_a_stopped_clock_wakes_nobody(path: Path) -> None:
    async def scenario(clock: AdjustableClock) -> bool:
        sleeper = asyncio.create_task(clock.sleep_until(START + 0.001))
        await asyncio.sleep(0.05)
        return sleeper.done() or clock.now() != START

    assert not played(path, scenario)


def test_the_clock_goes_on_in_the_next_server(path: Path) -> None:
    async def move() -> float:
        clock = AdjustableClock(path)
        await clock.advance(HOUR_S)
        return clock.now()

    before = asyncio.run(move())
    again = AdjustableClock(path)
    assert again.now() >= before
    assert abs(again.ahead_s - HOUR_S) < 60
    assert not again.is_real


def test_every_moment_of_a_step_is_kept_before_anybody_is_woken(path: Path) -> None:
    """What is killed in the middle of a step goes on at the moment it was at, or later."""

    async def scenario(clock: AdjustableClock) -> list[float]:
        seen: list[float] = []

        async def sleeper(after_s: float) -> None:
            await clock.sleep_until(START + after_s)
            seen.append(json.loads(path.read_text())["at"] - START)

        for after_s in (10.0, 20.0):
            begin(sleeper(after_s))
        await asyncio.sleep(0)
        await clock.advance(60)
        return [*seen, AdjustableClock(path).now() - START]

    assert played(path, scenario) == [10, 20, 60]


def test_the_time_without_a_server_counts_at_the_clocks_rate(path: Path) -> None:
    wall = time.time() - 100
    path.write_text(json.dumps({"at": START, "wall": wall, "rate": 60.0}))
    assert AdjustableClock(path).now() >= START + 6000
    path.write_text(json.dumps({"at": START, "wall": wall, "rate": 0.0}))
    assert AdjustableClock(path).now() == START
    # A machine whose clock was set back does not take ours along.
    path.write_text(json.dumps({"at": START, "wall": wall + 9000, "rate": 1.0}))
    assert AdjustableClock(path).now() >= START


def test_it_never_goes_backwards(path: Path) -> None:
    async def back(clock: AdjustableClock) -> None:
        await clock.advance(-HOUR_S)
        assert clock.now() == START
        await clock.be_real()

    with pytest.raises(ConfigurationError, match="ahead of real time"):
        played(path, back)
    with pytest.raises(ConfigurationError, match="1h later already"):
        AdjustableClock(path).start_at(START - HOUR_S, 0.0)
    with pytest.raises(ConfigurationError, match="ahead of real time"):
        AdjustableClock(path).be_real_at_once()


def test_back_to_real_time_is_a_step_that_wakes(path: Path) -> None:
    async def scenario() -> tuple[float, bool]:
        clock = AdjustableClock(path)
        past = time.time() - HOUR_S
        clock.start_at(past, 0.0)
        woken_at: list[float] = []

        async def sleeper() -> None:
            await clock.sleep_until(past + 60)
            woken_at.append(clock.now() - past)

        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        await clock.be_real()
        await task
        return woken_at[0], clock.now is time.time

    assert asyncio.run(scenario()) == (60, True)
    assert not path.exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"at": null, "wall": 0, "rate": 1}'])
def test_a_broken_file_is_told(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StateError, match="does not say how the clock runs"):
        AdjustableClock(path)
