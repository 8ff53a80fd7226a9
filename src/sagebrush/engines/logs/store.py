"""The log store: groups, streams and events of every account and region in the state database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sagebrush.base.clock import Clock
from sagebrush.engines.logs.errors import GroupExists, GroupNotFound, StreamExists, StreamNotFound
from sagebrush.engines.logs.reading import EVENT_OVERHEAD_BYTES, stream_events, within_bytes
from sagebrush.engines.logs.records import GroupRecord, LogEvent, StreamRecord
from sagebrush.store.database import Database

_DAY_MS = 86_400_000
# Sorts after every name, so that a prefix is a range of the index.
_LAST_CHARACTER = "\U0010ffff"

# Told of every batch after it is stored: group, stream, events.
Observer = Callable[[GroupRecord, StreamRecord, list[LogEvent]], None]


class LogStore:
    """Log groups, streams and events.

    Methods are synchronous and join the caller's transaction when one is open. `observers` are
    called with each stored batch, inside the same transaction.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self.observers: list[Observer] = []
        db.migrate("engines.logs", Path(__file__).parent / "migrations")

    def now_ms(self) -> int:
        """Return the current time in epoch milliseconds."""
        return int(self._clock.now() * 1000)

    # Groups

    def create_group(
        self,
        account: str,
        region: str,
        name: str,
        *,
        retention_days: int | None = None,
        document: dict[str, Any] | None = None,
    ) -> GroupRecord:
        """Return the new group.

        Raises:
            GroupExists: there is one of that name.
        """
        with self._db.atomically():
            if self._find_group(account, region, name):
                raise GroupExists(name)
            self._db.execute(
                "INSERT INTO logs_groups (account, region, name, created_ms, retention_days,"
                " document) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    account,
                    region,
                    name,
                    self.now_ms(),
                    retention_days,
                    orjson.dumps(document or {}).decode(),
                ),
            )
            return self.group(account, region, name)

    def group(self, account: str, region: str, name: str) -> GroupRecord:
        """Return a group.

        Raises:
            GroupNotFound: there is none of that name.
        """
        if found := self._find_group(account, region, name):
            return found
        raise GroupNotFound(name)

    def ensure_group(self, account: str, region: str, name: str) -> GroupRecord:
        """Return a group, made now if there was none."""
        return self._find_group(account, region, name) or self.create_group(account, region, name)

    def groups(
        self,
        account: str,
        region: str,
        *,
        prefix: str = "",
        containing: str = "",
        after: str = "",
        limit: int = -1,
    ) -> list[GroupRecord]:
        """Return groups in the order of their names, those after the name `after`.

        `containing` is a part of the name, its case ignored.
        """
        rows = self._db.all(
            "SELECT * FROM logs_groups WHERE account = ? AND region = ? AND name > ?"
            " AND name >= ? AND name < ? AND instr(lower(name), ?) > 0 ORDER BY name LIMIT ?",
            (account, region, after, prefix, prefix + _LAST_CHARACTER, containing.lower(), limit),
        )
        return [GroupRecord.from_row(row) for row in rows]

    def update_group(
        self, group: GroupRecord, *, retention_days: int | None, document: dict[str, Any]
    ) -> None:
        """Set what can be changed of a group."""
        self._db.execute(
            "UPDATE logs_groups SET retention_days = ?, document = ? WHERE id = ?",
            (retention_days, orjson.dumps(document).decode(), group.id),
        )

    def delete_group(self, account: str, region: str, name: str) -> None:
        """Remove a group with its streams and events.

        Raises:
            GroupNotFound: there is none of that name.
        """
        group = self.group(account, region, name)
        self._db.execute("DELETE FROM logs_groups WHERE id = ?", (group.id,))

    # Streams

    def create_stream(self, group: GroupRecord, name: str) -> StreamRecord:
        """Return the new stream.

        Raises:
            StreamExists: the group has one of that name.
        """
        with self._db.atomically():
            if self._find_stream(group, name):
                raise StreamExists(name)
            self._db.execute(
                "INSERT INTO logs_streams (group_id, name, created_ms) VALUES (?, ?, ?)",
                (group.id, name, self.now_ms()),
            )
            return self.stream(group, name)

    def stream(self, group: GroupRecord, name: str) -> StreamRecord:
        """Return a stream.

        Raises:
            StreamNotFound: the group has none of that name.
        """
        if found := self._find_stream(group, name):
            return found
        raise StreamNotFound(name)

    def ensure_stream(self, account: str, region: str, group: str, name: str) -> StreamRecord:
        """Return a stream, made now with its group if there was none."""
        with self._db.atomically():
            record = self.ensure_group(account, region, group)
            return self._find_stream(record, name) or self.create_stream(record, name)

    def streams(
        self,
        group: GroupRecord,
        *,
        prefix: str = "",
        after: tuple[int, str] | None = None,
        by_last_event: bool = False,
        descending: bool = False,
        limit: int = -1,
    ) -> list[StreamRecord]:
        """Return streams by name, or by the time of their last event and then name.

        `after` is the `(last_event_ms, name)` of the last stream already seen; streams without
        events count as time 0.
        """
        columns = "last_event_ms, name" if by_last_event else "name"
        direction = "DESC" if descending else "ASC"
        where = ""
        parameters: list[Any] = [group.id, prefix, prefix + _LAST_CHARACTER]
        if after is not None:
            sign = "<" if descending else ">"
            where = f" AND ({columns}) {sign} ({'?, ?' if by_last_event else '?'})"
            parameters += after if by_last_event else after[1:]
        order = ", ".join(f"{column} {direction}" for column in columns.split(", "))
        rows = self._db.all(
            "SELECT * FROM logs_streams WHERE group_id = ? AND name >= ? AND name < ?"
            f"{where} ORDER BY {order} LIMIT ?",
            (*parameters, limit),
        )
        return [StreamRecord.from_row(row) for row in rows]

    def delete_stream(self, group: GroupRecord, name: str) -> None:
        """Remove a stream with its events.

        Raises:
            StreamNotFound: the group has none of that name.
        """
        stream = self.stream(group, name)
        with self._db.atomically():
            self._db.execute("DELETE FROM logs_streams WHERE id = ?", (stream.id,))
            self._count_bytes(group.id, -stream.stored_bytes)

    # Events

    def put(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        create: bool = False,
    ) -> None:
        """Append `(timestamp_ms, message)` events to a stream.

        With `create`, a missing group or stream is made.

        Raises:
            GroupNotFound, StreamNotFound: missing, and `create` is not set.
        """
        with self._db.atomically():
            if create:
                target = self.ensure_stream(account, region, group, stream)
                owner = self.group(account, region, group)
            else:
                owner = self.group(account, region, group)
                target = self.stream(owner, stream)
            if events:
                self._append(owner, target, events)

    def get(
        self,
        stream: StreamRecord,
        *,
        after: tuple[int, int] = (-1, -1),
        before: tuple[int, int] = (2**62, 0),
        newest_first: bool = False,
        limit: int = 10_000,
        limit_bytes: int = 1 << 20,
    ) -> list[LogEvent]:
        """Return up to `limit` events between two `(timestamp_ms, position)` places, in order.

        `newest_first` takes them from the end; the answer is in ascending order all the same.
        """
        found = within_bytes(
            stream_events(
                self._db,
                stream.id,
                after=after,
                before=before,
                newest_first=newest_first,
                limit=limit,
            ),
            limit_bytes,
        )
        return found[::-1] if newest_first else found

    def sweep(self) -> int:
        """Delete the events older than their group's retention; return how many."""
        deleted = 0
        with self._db.atomically():
            for row in self._db.all(
                "SELECT s.id, s.group_id, g.retention_days FROM logs_streams s JOIN logs_groups g"
                " ON g.id = s.group_id WHERE g.retention_days IS NOT NULL"
                " AND s.first_event_ms < ? - g.retention_days * ?",
                (self.now_ms(), _DAY_MS),
            ):
                cutoff_ms = self.now_ms() - row["retention_days"] * _DAY_MS
                deleted += self._expire(row["id"], row["group_id"], cutoff_ms)
        return deleted

    def _append(
        self, group: GroupRecord, stream: StreamRecord, events: Sequence[tuple[int, str]]
    ) -> None:
        row = self._db.one("SELECT next_position FROM logs_streams WHERE id = ?", (stream.id,))
        assert row is not None
        ingested_ms = self.now_ms()
        stored = [
            LogEvent(stream.id, timestamp_ms, position, ingested_ms, message)
            for position, (timestamp_ms, message) in enumerate(events, start=row["next_position"])
        ]
        self._db.execute_many("INSERT INTO logs_events VALUES (?, ?, ?, ?, ?)", stored)
        size = sum(len(message.encode()) + EVENT_OVERHEAD_BYTES for _, message in events)
        first_ms = min(timestamp_ms for timestamp_ms, _ in events)
        last_ms = max(timestamp_ms for timestamp_ms, _ in events)
        self._db.execute(
            "UPDATE logs_streams SET first_event_ms = min(coalesce(first_event_ms, ?), ?),"
            " last_event_ms = max(last_event_ms, ?), last_ingestion_ms = ?,"
            " stored_bytes = stored_bytes + ?, next_position = next_position + ? WHERE id = ?",
            (first_ms, first_ms, last_ms, ingested_ms, size, len(stored), stream.id),
        )
        self._count_bytes(group.id, size)
        for observe in self.observers:
            observe(group, stream, stored)

    def _expire(self, stream_id: int, group_id: int, cutoff_ms: int) -> int:
        where = "stream_id = ? AND timestamp_ms < ?"
        totals = self._db.one(
            "SELECT count(*) AS events, coalesce(sum(length(CAST(message AS BLOB))), 0) AS bytes"
            f" FROM logs_events WHERE {where}",
            (stream_id, cutoff_ms),
        )
        assert totals is not None
        self._db.execute(f"DELETE FROM logs_events WHERE {where}", (stream_id, cutoff_ms))
        size = totals["bytes"] + totals["events"] * EVENT_OVERHEAD_BYTES
        self._db.execute(
            "UPDATE logs_streams SET stored_bytes = stored_bytes - ?, first_event_ms ="
            " (SELECT min(timestamp_ms) FROM logs_events WHERE stream_id = ?) WHERE id = ?",
            (size, stream_id, stream_id),
        )
        self._count_bytes(group_id, -size)
        return int(totals["events"])

    def _count_bytes(self, group_id: int, size: int) -> None:
        self._db.execute(
            "UPDATE logs_groups SET stored_bytes = stored_bytes + ? WHERE id = ?", (size, group_id)
        )

    def _find_group(self, account: str, region: str, name: str) -> GroupRecord | None:
        row = self._db.one(
            "SELECT * FROM logs_groups WHERE account = ? AND region = ? AND name = ?",
            (account, region, name),
        )
        return GroupRecord.from_row(row) if row else None

    def _find_stream(self, group: GroupRecord, name: str) -> StreamRecord | None:
        row = self._db.one(
            "SELECT * FROM logs_streams WHERE group_id = ? AND name = ?", (group.id, name)
        )
        return StreamRecord.from_row(row) if row else None
