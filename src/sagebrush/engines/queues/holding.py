"""Receiving: who holds which message until when, and who waits for one.

A message is held until its `visible` moment; then it can be received again. A receipt names the
message's row and the act of receiving it, so only the last receiver can delete it.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson

from sagebrush.base.clock import Clock
from sagebrush.base.identifiers import hexadecimal
from sagebrush.engines.queues.errors import (
    NoSuchMessageError,
    NotInFlightError,
    ReceiptError,
    StaleReceiptError,
    VisibilityLimitError,
)
from sagebrush.engines.queues.records import Message, Queue
from sagebrush.store.database import Database, Row

MAXIMUM_HELD_S = 43_200.0
_EXPIRY_INTERVAL_S = 60.0

_RECEIVABLE = (
    "SELECT * FROM queues_messages WHERE queue_id = :id AND visible <= :now AND sent > :oldest"
    " ORDER BY visible, id LIMIT :limit"
)
# A group waits for what of it is held, and for what of it was sent earlier and is delayed still.
_RECEIVABLE_IN_ORDER = (
    "SELECT * FROM queues_messages AS m WHERE queue_id = :id AND visible <= :now"
    " AND sent > :oldest AND NOT EXISTS (SELECT 1 FROM queues_messages AS o"
    " WHERE o.queue_id = m.queue_id AND o.group_id = m.group_id AND o.visible > :now"
    " AND o.sent > :oldest AND (o.receipt IS NOT NULL OR o.id < m.id))"
    " ORDER BY id LIMIT :limit"
)


class Holding:
    """What receivers do with the messages of a queue."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._waiters: dict[int, set[asyncio.Future[None]]] = {}
        self._lets_go = False
        # When a queue's expired messages were last deleted.
        self._swept: dict[int, float] = {}

    def receive(self, queue: Queue, limit: int, visibility_s: int | None = None) -> list[Message]:
        """Return up to `limit` messages, held for `visibility_s` (None: the queue's setting).

        What was received too often goes to the queue for dead letters instead.
        """
        held_s = queue.settings.visibility_s if visibility_s is None else visibility_s
        with self._db.atomically():
            self._expire(queue)
            rows = self._receivable(queue, limit)
            while [row for row in rows if self._bury(queue, row)]:
                rows = self._receivable(queue, limit)
            return [self._hold(row, held_s) for row in rows]

    def delete_message(self, queue: Queue, receipt: str) -> None:
        """Delete a received message; one that is deleted already, or held by another, is left.

        Raises:
            ReceiptError: the receipt is not one of this queue.
            StaleReceiptError: the time to delete a message of a FIFO queue is over.
        """
        number, act = _parsed(queue, receipt)
        row = self._db.one("SELECT * FROM queues_messages WHERE id = ?", (number,))
        if row is None or row["queue_id"] != queue.id:
            return
        if queue.settings.is_fifo and (
            row["receipt"] != act or row["visible"] <= self._clock.now()
        ):
            raise StaleReceiptError(receipt)
        if row["receipt"] == act:
            self._db.execute("DELETE FROM queues_messages WHERE id = ?", (number,))
            self.wake(queue.id)

    def hold(self, queue: Queue, receipt: str, visibility_s: int) -> None:
        """Hold a received message for `visibility_s` from now; 0 lets it be received at once.

        Raises:
            ReceiptError: the receipt is not one of this queue.
            NoSuchMessageError: the message is gone, or another receiver has it.
            NotInFlightError: it can be received already.
            VisibilityLimitError: it would be held for more than twelve hours in all.
        """
        number, act = _parsed(queue, receipt)
        now = self._clock.now()
        row = self._db.one("SELECT * FROM queues_messages WHERE id = ?", (number,))
        if row is None or row["queue_id"] != queue.id or row["receipt"] != act:
            raise NoSuchMessageError(receipt)
        if row["visible"] <= now:
            raise NotInFlightError(receipt)
        if now + visibility_s - row["received"] > MAXIMUM_HELD_S:
            raise VisibilityLimitError(receipt)
        self._db.execute(
            "UPDATE queues_messages SET visible = ? WHERE id = ?", (now + visibility_s, number)
        )
        self.wake(queue.id)

    def wake(self, queue_id: int) -> None:
        """Let who waits for a message of a queue look again."""
        for waiter in self._waiters.get(queue_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def let_go(self) -> None:
        """Let nobody wait any longer: the server stops."""
        self._lets_go = True
        for queue_id in self._waiters:
            self.wake(queue_id)

    async def arrival(self, queue: Queue, limit_s: float) -> bool:
        """Return True once there may be something to receive, False after `limit_s`.

        Messages become visible by the clock; the patience of a connection is the machine's.
        """
        if limit_s <= 0 or self._lets_go:
            return False
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(queue.id, set()).add(waiter)
        waits: set[asyncio.Future[None]] = {waiter}
        if (moment := self._next_visible(queue)) is not None:
            waits.add(asyncio.ensure_future(self._clock.sleep_until(moment)))
        try:
            done, _ = await asyncio.wait(
                waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            return bool(done) and not self._lets_go
        finally:
            for wait in waits:
                wait.cancel()
            self._forget(queue.id, waiter)

    def _forget(self, queue_id: int, waiter: asyncio.Future[None]) -> None:
        waiting = self._waiters[queue_id]
        waiting.discard(waiter)
        if not waiting:
            del self._waiters[queue_id]

    def _next_visible(self, queue: Queue) -> float | None:
        row = self._db.one(
            "SELECT min(visible) FROM queues_messages WHERE queue_id = ? AND visible > ?",
            (queue.id, self._clock.now()),
        )
        return None if row is None else row[0]

    def _receivable(self, queue: Queue, limit: int) -> list[Row]:
        now = self._clock.now()
        return self._db.all(
            _RECEIVABLE_IN_ORDER if queue.settings.is_fifo else _RECEIVABLE,
            {
                "id": queue.id,
                "now": now,
                "oldest": now - queue.settings.retention_s,
                "limit": limit,
            },
        )

    def _hold(self, row: Row, held_s: int) -> Message:
        now, act = self._clock.now(), hexadecimal(16)
        first = now if row["first_received"] is None else row["first_received"]
        self._db.execute(
            "UPDATE queues_messages SET visible = ?, receives = receives + 1, first_received = ?,"
            " received = ?, receipt = ? WHERE id = ?",
            (now + held_s, first, now, act, row["id"]),
        )
        return Message(
            number=row["id"],
            message_id=row["message_id"],
            receipt=_receipt(row["queue_id"], row["id"], act),
            body=row["body"],
            attributes=orjson.loads(row["attributes"]),
            system=orjson.loads(row["system"]),
            group_id=row["group_id"],
            deduplication_id=row["deduplication_id"],
            sent=row["sent"],
            receives=row["receives"] + 1,
            first_received=first,
        )

    def _bury(self, queue: Queue, row: Row) -> bool:
        """Move a message that was received too often; False when it is still to be received."""
        settings = queue.settings
        if settings.dead_letters_to is None or row["receives"] < settings.maximum_receives:
            return False
        target = self._db.one(
            "SELECT id FROM queues_queues WHERE account = ? AND region = ? AND name = ?",
            (queue.account, queue.region, settings.dead_letters_to),
        )
        if target is None or target["id"] == queue.id:
            return False
        system = orjson.loads(row["system"]) | {"source": queue.name}
        now = self._clock.now()
        self._db.execute(
            # A standard queue's message goes on ageing; a FIFO queue's begins again.
            "UPDATE queues_messages SET queue_id = ?, visible = ?, receipt = NULL, sent = ?,"
            " system = ? WHERE id = ?",
            (
                *(target["id"], now, now if settings.is_fifo else row["sent"]),
                *(orjson.dumps(system).decode(), row["id"]),
            ),
        )
        self.wake(target["id"])
        return True

    def _expire(self, queue: Queue) -> None:
        now = self._clock.now()
        if now - self._swept.get(queue.id, 0.0) >= _EXPIRY_INTERVAL_S:
            self._swept[queue.id] = now
            self._db.execute(
                "DELETE FROM queues_messages WHERE queue_id = ? AND sent <= ?",
                (queue.id, now - queue.settings.retention_s),
            )


def _receipt(queue_id: int, number: int, act: str) -> str:
    return urlsafe_b64encode(f"{queue_id}:{number}:{act}".encode()).decode()


def _parsed(queue: Queue, receipt: str) -> tuple[int, str]:
    try:
        queue_id, number, act = urlsafe_b64decode(receipt.encode()).decode().split(":")
        if int(queue_id) == queue.id:
            return int(number), act
    except ValueError:
        pass
    raise ReceiptError(receipt)
