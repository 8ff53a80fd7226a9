"""FIFO queues: the order of each group, one holder at a time, repetitions dropped."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engines.queues.conftest import Scene

from sagebrush.engines.queues import NewMessage, StaleReceiptError

# What happens to a queue: a group's next message is sent, some are received, the oldest of those
# held is deleted or let go, time passes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from("abc")),
        st.tuples(st.just("receive"), st.integers(1, 4)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("let go"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([1, 31])),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([0, 5]))
def test_groups_come_in_order_and_one_holder_at_a_time(
    steps: list[tuple[str, Any]], delay_s: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder))
        queue = scene.queue(is_fifo=True, visibility_s=30, delay_s=delay_s)
        model = Model(scene, queue)
        for name, argument in steps:
            model.step(name, argument)
        model.drain()
        scene.db.close()


class Model:
    """What must be true of a FIFO queue, told from what was sent and deleted alone."""

    def __init__(self, scene: Scene, queue: Any) -> None:
        self.scene, self.queue = scene, queue
        self.sent = 0
        # What is still to be deleted, by group, in the order in which it was sent.
        self.left: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        # Messages held, with the moment until which they are.
        self.held: list[tuple[float, Any]] = []

    def step(self, name: str, argument: Any) -> None:
        getattr(self, name.replace(" ", "_"))(argument)
        now = self.scene.clock.now()
        self.held = [(until, message) for until, message in self.held if until > now]

    def send(self, group: str) -> None:
        number = self.sent
        self.sent += 1
        message = NewMessage(str(number), group_id=group, deduplication_id=str(number))
        self.scene.queues.send(self.queue, message)
        self.left[group].append(number)

    def receive(self, limit: int) -> None:
        busy = {message.group_id for _, message in self.held}
        received = self.scene.queues.receive(self.queue, limit)
        assert len(received) <= limit
        groups: dict[str, list[int]] = {}
        for message in received:
            assert message.group_id not in busy
            groups.setdefault(message.group_id or "", []).append(int(message.body))
        for group, numbers in groups.items():
            # The next of the group, without a gap: nothing is overtaken.
            assert numbers == self.left[group][: len(numbers)]
        until = self.scene.clock.now() + 30
        self.held += [(until, message) for message in received]

    def delete(self, position: int) -> None:
        if position < len(self.held):
            _, message = self.held.pop(position)
            self.scene.queues.delete_message(self.queue, message.receipt)
            self.left[message.group_id].remove(int(message.body))

    def let_go(self, position: int) -> None:
        if position < len(self.held):
            _, message = self.held.pop(position)
            self.scene.queues.hold(self.queue, message.receipt, 0)

    def wait(self, seconds: int) -> None:
        self.scene.clock.advance(seconds)

    def restart(self, _: int) -> None:
        self.scene.restart()

    def drain(self) -> None:
        """Everything that was sent and not deleted comes in the end."""
        for _ in range(self.sent + 1):
            self.step("wait", 31)
            self.step("receive", 10)
            while self.held:
                self.delete(0)
        assert not any(self.left.values())


@pytest.fixture
def fifo(scene: Any) -> Any:
    return scene.queue(is_fifo=True)


def test_a_repetition_is_dropped_for_five_minutes(scene: Any, fifo: Any) -> None:
    message = NewMessage("a", group_id="g", deduplication_id="once")
    first = scene.queues.send(fifo, message)
    assert scene.queues.send(fifo, message) == first
    (received,) = scene.queues.receive(fifo, 10)
    scene.queues.delete_message(fifo, received.receipt)
    scene.clock.advance(299)
    assert scene.queues.send(fifo, message) == first
    assert scene.queues.receive(fifo, 10) == []
    scene.clock.advance(1)
    assert scene.queues.send(fifo, message).number > first.number


def test_bodies_stand_for_identifiers_that_are_not_given(scene: Any, fifo: Any) -> None:
    one = scene.queues.send(fifo, NewMessage("a", group_id="g"))
    assert scene.queues.send(fifo, NewMessage("a", group_id="other")) == one
    assert scene.queues.send(fifo, NewMessage("b", group_id="g")) != one


def test_groups_may_repeat_each_other(scene: Any) -> None:
    queue = scene.queue(is_fifo=True, deduplicates_in_groups=True)
    one = scene.queues.send(queue, NewMessage("a", group_id="g"))
    assert scene.queues.send(queue, NewMessage("a", group_id="other")) != one
    assert scene.queues.send(queue, NewMessage("a", group_id="g")) == one


def test_a_receipt_that_ran_out_deletes_nothing(scene: Any, fifo: Any) -> None:
    scene.queues.send(fifo, NewMessage("a", group_id="g"))
    (message,) = scene.queues.receive(fifo, 1)
    scene.clock.advance(30)
    with pytest.raises(StaleReceiptError):
        scene.queues.delete_message(fifo, message.receipt)
    assert len(scene.queues.receive(fifo, 1)) == 1
