"""Topics on a clock that a test moves, with endpoints that note what they get."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.topics import (
    Notice,
    Subscription,
    SubscriptionSettings,
    Topic,
    Topics,
    TopicSettings,
    UndeliverableError,
)
from sagebrush.engines.topics.courier import Courier
from sagebrush.store.database import Database

HERE = ("111122223333", "us-east-1")


class Scene:
    """The topics of a database; `direct` endpoints get notices at once, `remote` by the courier."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.sqlite"
        self.clock = ManualClock()
        self.got: list[tuple[str, str]] = []
        self.buried: list[tuple[str, str]] = []
        # What an endpoint does with the next notices: an error to raise, or None to take it.
        self.troubles: dict[str, list[Exception | None]] = {}
        self.delays = [10.0, 20.0]
        self.gates: dict[str, asyncio.Event] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.restart()

    def restart(self) -> None:
        """Open the database again, as the next server does."""
        if hasattr(self, "db"):
            self.db.close()
        self.db = Database(self._path)
        self.topics = Topics(self.db, self.clock)
        self.topics.direct["direct"] = self.hand_over
        self.topics.remote.add("remote")
        self.topics.bury = self.bury
        self.courier = Courier(
            self.db, self.clock, self.topics, self.spawn, self.deliver, lambda *_: self.delays
        )

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run in the background."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def hand_over(self, topic: Topic, subscription: Subscription, notice: Notice) -> None:
        """Take a notice, or the trouble that is next."""
        waiting = self.troubles.get(subscription.endpoint, [])
        trouble = waiting.pop(0) if waiting else None
        self.got.append((subscription.endpoint, notice.body))
        if trouble is not None:
            raise trouble

    async def deliver(self, topic: Topic, subscription: Subscription, notice: Notice) -> None:
        """Take a notice once the endpoint's gate is open."""
        self.hand_over(topic, subscription, notice)
        gate = self.gates.get(subscription.endpoint)
        if gate is not None:
            await gate.wait()

    def bury(self, topic: Topic, subscription: Subscription, notice: Notice, reason: str) -> None:
        """Note what did not arrive."""
        self.buried.append((subscription.endpoint, reason))

    def topic(self, name: str = "t", **settings: bool) -> Topic:
        """Make a topic."""
        return self.topics.create(*HERE, name, TopicSettings(**settings), attributes={}, tags={})

    def subscribe(
        self,
        topic: Topic,
        endpoint: str,
        protocol: str = "direct",
        *,
        token: str | None = None,
        **settings: Any,
    ) -> Subscription:
        """Subscribe an endpoint."""
        made = SubscriptionSettings(**settings)
        return self.topics.subscribe(
            topic, HERE[0], protocol, endpoint, made, attributes={}, token=token
        )

    def publish(self, body: str, name: str = "t", **attributes: dict[str, str]) -> None:
        """Publish to a topic by its name."""
        self.topics.publish(*HERE, name, body, attributes=attributes)

    @property
    def pending(self) -> int:
        """How many deliveries are written down."""
        row = self.db.one("SELECT count(*) FROM topics_deliveries")
        assert row is not None
        return int(row[0])


def trouble(*, is_final: bool) -> UndeliverableError:
    """Return what an endpoint may raise."""
    return UndeliverableError("broken", is_final=is_final)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.db.close()
