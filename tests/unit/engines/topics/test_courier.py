"""The courier: every written delivery is attempted until it arrives or is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.engines.topics.conftest import trouble

from sagebrush.engines.topics.courier import AT_ONCE, AT_ONCE_PER_SUBSCRIPTION


def run(work: Callable[[], Awaitable[None]], scene: Any) -> None:
    """Run a test's coroutine and end what it left running, as a server that stops does."""

    async def limited() -> None:
        async with asyncio.timeout(10):
            await work()
        tasks = list(scene.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(limited())


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.fixture
def far(scene: Any) -> Any:
    """A topic with an endpoint that only the courier reaches."""
    topic = scene.topic()
    scene.subscribe(topic, "far", "remote")
    scene.topics.pending = scene.courier.wake
    return topic


def test_delivers_and_ends(scene: Any, far: Any) -> None:
    async def work() -> None:
        scene.publish("a")
        assert scene.got == []
        await settle()
        assert scene.got == [("far", "a")]
        assert scene.pending == 0
        assert not scene.tasks
        scene.publish("b")
        await settle()
        assert scene.got[1:] == [("far", "b")]

    run(work, scene)


def test_tries_again_by_the_clock_and_gives_up(scene: Any, far: Any) -> None:
    scene.troubles["far"] = [trouble(is_final=False)] * 3

    async def work() -> None:
        scene.publish("a")
        for wait_s, attempts in ((0, 1), (9.9, 1), (0.1, 2), (19.9, 2), (0.1, 3), (1000, 3)):
            scene.clock.advance(wait_s)
            await settle()
            assert len(scene.got) == attempts
            assert scene.pending == (attempts < 3)
        assert scene.buried == [("far", "broken")]
        assert not scene.tasks

    run(work, scene)


def test_a_retry_arrives(scene: Any, far: Any) -> None:
    scene.troubles["far"] = [trouble(is_final=False)]

    async def work() -> None:
        scene.publish("a")
        await settle()
        scene.clock.advance(10)
        await settle()
        assert scene.got == [("far", "a")] * 2
        assert (scene.pending, scene.buried) == (0, [])

    run(work, scene)


@pytest.mark.parametrize("error", [trouble(is_final=True), ZeroDivisionError("a defect")])
def test_a_final_failure_is_buried_at_once(scene: Any, far: Any, error: Exception) -> None:
    scene.troubles["far"] = [error]

    async def work() -> None:
        scene.publish("a")
        await settle()
        assert scene.pending == 0
        ((endpoint, reason),) = scene.buried
        assert endpoint == "far"
        assert str(error) in reason
        scene.publish("b")
        await settle()
        assert scene.got[-1] == ("far", "b")

    run(work, scene)


@pytest.mark.parametrize("under_way", [False, True])
def test_the_next_server_takes_it_up(scene: Any, far: Any, under_way: bool) -> None:
    async def stopped() -> None:
        scene.gates["far"] = asyncio.Event()
        scene.publish("a")
        if under_way:
            await settle()
            assert scene.got == [("far", "a")]

    async def started() -> None:
        scene.courier.wake()
        await settle()
        assert scene.got[-1] == ("far", "a")
        assert scene.pending == 0

    run(stopped, scene)
    assert scene.pending == 1
    scene.gates.clear()
    scene.restart()
    run(started, scene)


def test_a_retry_waits_through_a_restart(scene: Any, far: Any) -> None:
    scene.troubles["far"] = [trouble(is_final=False)]

    async def first() -> None:
        scene.publish("a")
        await settle()

    async def second() -> None:
        scene.courier.wake()
        await settle()
        assert len(scene.got) == 1
        scene.clock.advance(10)
        await settle()
        assert len(scene.got) == 2
        assert scene.pending == 0

    run(first, scene)
    scene.restart()
    run(second, scene)


def test_an_endpoint_that_does_not_answer_holds_up_only_itself(scene: Any, far: Any) -> None:
    scene.subscribe(far, "near", "remote")

    async def work() -> None:
        scene.gates["far"] = asyncio.Event()
        for number in range(3 * AT_ONCE_PER_SUBSCRIPTION):
            scene.publish(str(number))
        await settle()
        endpoints = [endpoint for endpoint, _ in scene.got]
        assert endpoints.count("far") == AT_ONCE_PER_SUBSCRIPTION
        assert endpoints.count("near") == 3 * AT_ONCE_PER_SUBSCRIPTION
        scene.gates["far"].set()
        await settle()
        assert scene.pending == 0

    run(work, scene)


def test_no_more_than_the_limit_at_once(scene: Any, far: Any) -> None:
    for number in range(AT_ONCE + 5):
        scene.subscribe(far, str(number), "remote")

    async def work() -> None:
        gate = asyncio.Event()
        scene.gates = {str(number): gate for number in range(AT_ONCE + 5)} | {"far": gate}
        scene.publish("a")
        await settle()
        assert len(scene.got) == AT_ONCE
        gate.set()
        await settle()
        assert len(scene.got) == AT_ONCE + 6

    run(work, scene)


def test_who_unsubscribed_meanwhile_is_left_alone(scene: Any, far: Any) -> None:
    async def work() -> None:
        scene.publish("a")
        (subscription,) = scene.topics.confirmed(far)
        scene.topics.unsubscribe(subscription)
        await settle()
        assert (scene.got, scene.pending) == ([], 0)
        assert not scene.tasks

    run(work, scene)


def test_a_failure_after_the_topic_has_gone_buries_nothing(scene: Any, far: Any) -> None:
    scene.delays = []

    async def work() -> None:
        gate = scene.gates["far"] = asyncio.Event()
        scene.publish("a")
        await settle()
        scene.topics.delete(far)
        gate.set()
        await settle()
        assert scene.buried == []
        assert not scene.tasks

    run(work, scene)
