"""What is sent is received: at least once, after its delay, until it expires or is deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.engines.queues import (
    Counts,
    NewMessage,
    NoSuchMessageError,
    NoSuchQueueError,
    NotInFlightError,
    QueueExistsError,
    QueueSettings,
    ReceiptError,
    VisibilityLimitError,
)


def bodies(scene: Any, queue: Any, limit: int = 10, **request: Any) -> list[str]:
    return [message.body for message in scene.queues.receive(queue, limit, **request)]


def send(scene: Any, queue: Any, *texts: str, **fields: Any) -> None:
    for text in texts:
        scene.queues.send(queue, NewMessage(text, **fields))


def test_a_name_is_taken_once(scene: Any) -> None:
    queue = scene.queue()
    with pytest.raises(QueueExistsError):
        scene.queue()
    scene.queues.delete(queue)
    with pytest.raises(NoSuchQueueError):
        scene.queues.find(queue.account, queue.region, "q")
    assert scene.queue().id != queue.id


def test_a_message_is_held_and_comes_again(scene: Any) -> None:
    queue = scene.queue(visibility_s=30)
    send(scene, queue, "a")
    (first,) = scene.queues.receive(queue, 1)
    assert scene.queues.receive(queue, 1) == []
    assert scene.queues.counts(queue) == Counts(0, 1, 0)
    scene.clock.advance(29.9)
    assert scene.queues.receive(queue, 1) == []
    scene.clock.advance(0.1)
    (second,) = scene.queues.receive(queue, 1)
    assert (second.receives, second.first_received) == (2, first.first_received)
    scene.queues.delete_message(queue, first.receipt)
    scene.clock.advance(30)
    (third,) = scene.queues.receive(queue, 1)
    scene.queues.delete_message(queue, third.receipt)
    scene.queues.delete_message(queue, third.receipt)
    scene.clock.advance(30)
    assert scene.queues.receive(queue, 1) == []


def test_a_receipt_belongs_to_its_queue(scene: Any) -> None:
    one, other = scene.queue("one"), scene.queue("other")
    send(scene, one, "a")
    (message,) = scene.queues.receive(one, 1)
    for receipt in (message.receipt, "x", "é", ""):
        with pytest.raises(ReceiptError):
            scene.queues.delete_message(other, receipt)


def test_holding_longer_and_letting_go(scene: Any) -> None:
    queue = scene.queue(visibility_s=30)
    send(scene, queue, "a")
    (message,) = scene.queues.receive(queue, 1)
    scene.queues.hold(queue, message.receipt, 60)
    scene.clock.advance(59)
    assert bodies(scene, queue) == []
    with pytest.raises(VisibilityLimitError):
        scene.queues.hold(queue, message.receipt, 43_200)
    scene.queues.hold(queue, message.receipt, 0)
    with pytest.raises(NotInFlightError):
        scene.queues.hold(queue, message.receipt, 10)
    assert bodies(scene, queue) == ["a"]
    with pytest.raises(NoSuchMessageError):
        scene.queues.hold(queue, message.receipt, 10)


def test_zero_visibility_returns_a_message_once_per_call(scene: Any) -> None:
    queue = scene.queue()
    send(scene, queue, "a", "b")
    assert bodies(scene, queue, visibility_s=0) == ["a", "b"]
    assert bodies(scene, queue, visibility_s=0) == ["a", "b"]


def test_delays(scene: Any) -> None:
    queue = scene.queue(delay_s=10)
    send(scene, queue, "late")
    send(scene, queue, "later", delay_s=20)
    send(scene, queue, "now", delay_s=0)
    assert scene.queues.counts(queue) == Counts(1, 0, 2)
    assert bodies(scene, queue) == ["now"]
    scene.clock.advance(10)
    assert bodies(scene, queue) == ["late"]
    scene.clock.advance(10)
    assert bodies(scene, queue) == ["later"]


def test_messages_expire(scene: Any) -> None:
    queue = scene.queue(retention_s=60, visibility_s=1)
    send(scene, queue, "old")
    scene.clock.advance(59)
    send(scene, queue, "new")
    scene.clock.advance(1)
    assert scene.queues.counts(queue).visible == 1
    assert bodies(scene, queue) == ["new"]
    assert scene.db.one("SELECT count(*) FROM queues_messages")[0] == 1


def test_purge(scene: Any) -> None:
    queue = scene.queue()
    send(scene, queue, "a", "b")
    scene.queues.receive(queue, 1)
    scene.queues.purge(queue)
    assert scene.queues.counts(queue) == Counts(0, 0, 0)


@pytest.mark.parametrize("is_fifo", [False, True])
def test_what_is_received_too_often_is_a_dead_letter(scene: Any, is_fifo: bool) -> None:
    dead = scene.queue("dead", is_fifo=is_fifo)
    queue = scene.queue(is_fifo=is_fifo, visibility_s=0, dead_letters_to="dead", maximum_receives=2)
    send(scene, queue, "a", group_id="g" if is_fifo else None)
    assert [bodies(scene, queue) for _ in range(3)] == [["a"], ["a"], []]
    (message,) = scene.queues.receive(dead, 1)
    assert message.system["source"] == "q"
    scene.queues.delete(scene.queues.find(dead.account, dead.region, "dead"))
    send(scene, queue, "b", group_id="g" if is_fifo else None)
    assert [bodies(scene, queue) for _ in range(4)] == [["b"]] * 4


def test_a_queue_that_buries_in_itself_goes_on(scene: Any) -> None:
    queue = scene.queue(visibility_s=0, dead_letters_to="q", maximum_receives=1)
    send(scene, queue, "a")
    assert [bodies(scene, queue) for _ in range(3)] == [["a"]] * 3


def test_everything_is_there_after_a_restart(scene: Any) -> None:
    queue = scene.queue(visibility_s=30)
    send(scene, queue, "held", "free", attributes={"k": {"type": "String", "value": "v"}})
    (held,) = scene.queues.receive(queue, 1)
    scene.restart()
    assert bodies(scene, queue) == ["free"]
    scene.clock.advance(30)
    assert sorted(bodies(scene, queue)) == ["free", "held"]
    scene.queues.delete_message(queue, held.receipt)


def test_what_is_rolled_back_was_never_sent(scene: Any) -> None:
    queue = scene.queue()
    scene.db.execute("BEGIN")
    send(scene, queue, "a")
    scene.db.execute("ROLLBACK")
    assert bodies(scene, queue) == []


class TestWaiting:
    """A receiver waits without looking."""

    def run(self, work: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(10):
                await work

        asyncio.run(limited())

    def test_for_what_is_sent(self, scene: Any) -> None:
        queue = scene.queue()

        async def work() -> None:
            waiting = asyncio.create_task(scene.queues.arrival(queue, 9))
            await asyncio.sleep(0)
            assert not waiting.done()
            send(scene, queue, "a")
            assert await waiting

        self.run(work())

    def test_for_what_becomes_visible_by_the_clock(self, scene: Any) -> None:
        queue = scene.queue(visibility_s=30)
        send(scene, queue, "a")
        scene.queues.receive(queue, 1)

        async def work() -> None:
            waiting = asyncio.create_task(scene.queues.arrival(queue, 9))
            await asyncio.sleep(0)
            scene.clock.advance(29)
            await asyncio.sleep(0)
            assert not waiting.done()
            scene.clock.advance(1)
            assert await waiting

        self.run(work())

    def test_no_longer_than_asked_and_leaves_nothing_behind(self, scene: Any) -> None:
        queue = scene.queue()

        async def work() -> None:
            assert not await scene.queues.arrival(queue, 0.01)
            assert not await scene.queues.arrival(queue, 0)
            assert len(asyncio.all_tasks()) == 1

        self.run(work())
        assert not scene.queues._waiters

    def test_until_the_server_stops(self, scene: Any) -> None:
        queue = scene.queue()

        async def work() -> None:
            waiting = asyncio.create_task(scene.queues.arrival(queue, 9))
            await asyncio.sleep(0)
            scene.queues.let_go()
            assert not await waiting
            assert not await scene.queues.arrival(queue, 9)

        self.run(work())


def test_settings_are_kept(scene: Any) -> None:
    queue = scene.queue()
    scene.queues.update(queue, QueueSettings(delay_s=7), {"DelaySeconds": "7"})
    scene.queues.tag(queue, {"a": "b"})
    found = scene.queues.find(queue.account, queue.region, "q")
    assert (found.settings.delay_s, found.attributes, found.tags) == (
        7,
        {"DelaySeconds": "7"},
        {"a": "b"},
    )
