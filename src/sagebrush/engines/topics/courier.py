"""The courier: delivers what has been written down, tries again, and gives up at last.

A delivery's row goes in the transaction that says what became of it, so after a crash a notice is
delivered once more rather than never. Retries wait on the clock. An address that does not answer
holds up only itself: each has few deliveries under way at a time, and all together have a limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import orjson

from sagebrush.base.clock import Clock
from sagebrush.engines.topics.errors import UndeliverableError
from sagebrush.engines.topics.records import Notice, Subscription, Topic
from sagebrush.engines.topics.store import Topics
from sagebrush.store.database import Database, Row

AT_ONCE = 32
AT_ONCE_PER_SUBSCRIPTION = 4

_log = logging.getLogger(__name__)

Deliver = Callable[[Topic, Subscription, Notice], Awaitable[None]]
Delays = Callable[[Topic, Subscription], Sequence[float]]
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Courier:
    """Delivers by `deliver`, which raises UndeliverableError; `delays` come between attempts."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        topics: Topics,
        spawn: Spawn,
        deliver: Deliver,
        delays: Delays,
    ) -> None:
        self._db = db
        self._clock = clock
        self._topics = topics
        self._spawn = spawn
        self._deliver = deliver
        self._delays = delays
        self._round: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        # Deliveries under way: their rows' ids and subscriptions.
        self._under_way: dict[int, int] = {}

    def wake(self) -> None:
        """Look for deliveries: now if there is a round going on, else in a new one."""
        self._news.set()
        if self._round is None or self._round.done():
            self._round = self._spawn(self._go_round(), "notices under way")

    async def _go_round(self) -> None:
        """Begin what is due until nothing is left."""
        while True:
            self._news.clear()
            self._begin_due()
            moment = self._next_due()
            if moment is None and not self._under_way:
                # Nothing is awaited from here on, so whoever wakes finds the round ended.
                self._round = None
                return
            await self._pause(moment)

    async def _pause(self, moment: float | None) -> None:
        waits = {asyncio.ensure_future(self._await_news())}
        if moment is not None:
            waits.add(asyncio.ensure_future(self._clock.sleep_until(moment)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _await_news(self) -> None:
        await self._news.wait()

    def _begin_due(self) -> None:
        now = self._clock.now()
        busy = Counter(self._under_way.values())
        waiting = self._db.all(
            "SELECT subscription_id, min(due) FROM topics_deliveries"
            " GROUP BY subscription_id HAVING min(due) <= ? ORDER BY min(due)",
            (now,),
        )
        for row in waiting:
            subscription_id = row["subscription_id"]
            for due in self._db.all(
                "SELECT * FROM topics_deliveries WHERE subscription_id = ? AND due <= ?"
                " ORDER BY due, id LIMIT ?",
                (subscription_id, now, AT_ONCE_PER_SUBSCRIPTION + busy[subscription_id]),
            ):
                if len(self._under_way) >= AT_ONCE:
                    return
                if due["id"] in self._under_way:
                    continue
                if busy[subscription_id] >= AT_ONCE_PER_SUBSCRIPTION:
                    break
                busy[subscription_id] += 1
                self._under_way[due["id"]] = subscription_id
                self._spawn(self._carry(due), f"notice {due['id']}")

    def _next_due(self) -> float | None:
        """Return when to look again; None while only the end of a delivery can bring something."""
        if len(self._under_way) >= AT_ONCE:
            return None
        now = self._clock.now()
        row = self._db.one("SELECT min(due) FROM topics_deliveries WHERE due > ?", (now,))
        return None if row is None else row[0]

    async def _carry(self, row: Row) -> None:
        try:
            found = self._addressee(row)
            if found is not None:
                topic, subscription = found
                notice = Notice(**orjson.loads(row["notice"]))
                await self._attempt(row, topic, subscription, notice)
        finally:
            self._under_way.pop(row["id"], None)
            self._news.set()

    def _addressee(self, row: Row) -> tuple[Topic, Subscription] | None:
        found = self._db.one(
            "SELECT * FROM topics_subscriptions WHERE id = ?", (row["subscription_id"],)
        )
        if found is None:
            return None  # unsubscribed meanwhile; the row went with it
        subscription = Subscription.from_row(found)
        return self._topics.topic_of(subscription), subscription

    async def _attempt(
        self, row: Row, topic: Topic, subscription: Subscription, notice: Notice
    ) -> None:
        try:
            await self._deliver(topic, subscription, notice)
        except UndeliverableError as error:
            self._failed(row, topic, subscription, notice, error)
        except Exception as error:  # noqa: BLE001 - the boundary: a defect must not block the others
            _log.exception("notice %s to %s", notice.message_id, subscription.endpoint)
            told = UndeliverableError(f"{type(error).__name__}: {error}", is_final=True)
            self._failed(row, topic, subscription, notice, told)
        else:
            self._db.execute("DELETE FROM topics_deliveries WHERE id = ?", (row["id"],))

    def _failed(
        self,
        row: Row,
        topic: Topic,
        subscription: Subscription,
        notice: Notice,
        error: UndeliverableError,
    ) -> None:
        delays = self._delays(topic, subscription)
        if not error.is_final and row["attempts"] < len(delays):
            due = self._clock.now() + delays[row["attempts"]]
            self._db.execute(
                "UPDATE topics_deliveries SET attempts = attempts + 1, due = ? WHERE id = ?",
                (due, row["id"]),
            )
            _log.info("notice %s is tried again: %s", notice.message_id, error)
            return
        with self._db.transaction():
            gone = self._db.one(
                "DELETE FROM topics_deliveries WHERE id = ? RETURNING id", (row["id"],)
            )
            if gone is not None:
                self._topics.bury(topic, subscription, notice, str(error))
