"""The queues of every account and region, in the state database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from sagebrush.base.clock import Clock
from sagebrush.base.identifiers import request_id
from sagebrush.engines.queues.errors import NoSuchQueueError, QueueExistsError
from sagebrush.engines.queues.holding import Holding
from sagebrush.engines.queues.records import (
    Counts,
    NewMessage,
    Queue,
    QueueSettings,
    Sent,
    queue_values,
)
from sagebrush.store.database import Database

DEDUPLICATION_S = 300.0


class Queues(Holding):
    """Queues and what is sent to them; `Holding` has what is received.

    Methods are synchronous and join the caller's transaction when one is open: what is sent within
    it is sent when it commits.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        db.migrate("engines.queues", Path(__file__).parent / "migrations")
        super().__init__(db, clock)

    def create(
        self,
        account: str,
        region: str,
        name: str,
        settings: QueueSettings,
        *,
        attributes: dict[str, str],
        tags: dict[str, str],
    ) -> Queue:
        """Make a queue.

        Raises:
            QueueExistsError: there is one of that name.
        """
        now = self._clock.now()
        row = self._db.one(
            "INSERT INTO queues_queues (account, region, name, created, modified, settings,"
            " attributes, tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING *",
            (
                *(account, region, name, now, now),
                *queue_values(settings, attributes),
                orjson.dumps(tags).decode(),
            ),
        )
        if row is None:
            raise QueueExistsError(name)
        return Queue.from_row(row)

    def find(self, account: str, region: str, name: str) -> Queue:
        """Return a queue.

        Raises:
            NoSuchQueueError: there is none of that name.
        """
        row = self._db.one(
            "SELECT * FROM queues_queues WHERE account = ? AND region = ? AND name = ?",
            (account, region, name),
        )
        if row is None:
            raise NoSuchQueueError(name)
        return Queue.from_row(row)

    def page(
        self, account: str, region: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Queue]:
        """Return up to `limit` queues with a name after `after` that begins with `prefix`."""
        rows = self._db.all(
            "SELECT * FROM queues_queues WHERE account = ? AND region = ? AND name > ?"
            " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
            (account, region, after, len(prefix), prefix, limit),
        )
        return [Queue.from_row(row) for row in rows]

    def update(self, queue: Queue, settings: QueueSettings, attributes: dict[str, str]) -> None:
        """Give a queue other settings; messages keep what they were sent with."""
        self._db.execute(
            "UPDATE queues_queues SET modified = ?, settings = ?, attributes = ? WHERE id = ?",
            (self._clock.now(), *queue_values(settings, attributes), queue.id),
        )
        self.wake(queue.id)

    def tag(self, queue: Queue, tags: dict[str, str]) -> None:
        """Replace a queue's tags."""
        self._db.execute(
            "UPDATE queues_queues SET tags = ? WHERE id = ?",
            (orjson.dumps(tags).decode(), queue.id),
        )

    def delete(self, queue: Queue) -> None:
        """Remove a queue with its messages."""
        self._db.execute("DELETE FROM queues_queues WHERE id = ?", (queue.id,))
        self.wake(queue.id)

    def purge(self, queue: Queue) -> None:
        """Delete a queue's messages."""
        with self._db.atomically():
            self._db.execute("DELETE FROM queues_messages WHERE queue_id = ?", (queue.id,))
            self._db.execute(
                "UPDATE queues_queues SET purged = ? WHERE id = ?", (self._clock.now(), queue.id)
            )

    def counts(self, queue: Queue) -> Counts:
        """Return how many messages are where."""
        now = self._clock.now()
        row = self._db.one(
            "SELECT count(*) AS total, coalesce(sum(visible <= :now), 0) AS visible,"
            " coalesce(sum(visible > :now AND receipt IS NOT NULL), 0) AS held"
            " FROM queues_messages WHERE queue_id = :id AND sent > :oldest",
            {"now": now, "id": queue.id, "oldest": now - queue.settings.retention_s},
        )
        assert row is not None
        total, visible, held = row
        return Counts(visible, held, total - visible - held)

    def send(self, queue: Queue, message: NewMessage) -> Sent:
        """Store a message and wake who waits for one; a repetition is not stored again.

        A FIFO queue's message needs its group, and a deduplication id unless the queue makes it.
        """
        with self._db.atomically():
            settings, now = queue.settings, self._clock.now()
            deduplication_id = message.deduplication_id
            if settings.is_fifo:
                deduplication_id = deduplication_id or _digest(message.body)
                scope = (message.group_id or "") if settings.deduplicates_in_groups else ""
                earlier = self._earlier(queue, scope, deduplication_id, now)
                if earlier is not None:
                    return earlier
            delay_s = settings.delay_s if message.delay_s is None else message.delay_s
            sent = self._insert(queue, message, deduplication_id, now, now + delay_s)
            if settings.is_fifo:
                self._db.execute(
                    "INSERT INTO queues_deduplication VALUES (?, ?, ?, ?, ?, ?)",
                    (queue.id, scope, deduplication_id, sent.message_id, sent.number, now),
                )
        self.wake(queue.id)
        return sent

    def _insert(
        self,
        queue: Queue,
        message: NewMessage,
        deduplication_id: str | None,
        now: float,
        visible: float,
    ) -> Sent:
        message_id = request_id()
        row = self._db.one(
            "INSERT INTO queues_messages (queue_id, message_id, body, attributes, system,"
            " group_id, deduplication_id, sent, visible) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (
                *(queue.id, message_id, message.body),
                orjson.dumps(message.attributes).decode(),
                orjson.dumps(message.system).decode(),
                *(message.group_id, deduplication_id, now, visible),
            ),
        )
        assert row is not None
        return Sent(message_id, row["id"])

    def _earlier(self, queue: Queue, scope: str, deduplication_id: str, now: float) -> Sent | None:
        self._db.execute(
            "DELETE FROM queues_deduplication WHERE queue_id = ? AND sent <= ?",
            (queue.id, now - DEDUPLICATION_S),
        )
        row = self._db.one(
            "SELECT message_id, number FROM queues_deduplication"
            " WHERE queue_id = ? AND scope = ? AND deduplication_id = ?",
            (queue.id, scope, deduplication_id),
        )
        return None if row is None else Sent(row["message_id"], row["number"])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
