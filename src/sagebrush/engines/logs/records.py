"""Groups, streams and events as values. Every time is in epoch milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sagebrush.store.database import Row


class LogEvent(NamedTuple):
    """One event: `timestamp_ms` is the writer's time, `ingested_ms` the store's.

    `position` counts the stream's events in the order of arrival; `(timestamp_ms, position)` is
    the reading order within a stream.
    """

    stream_id: int
    timestamp_ms: int
    position: int
    ingested_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A log group. `document` holds what is only kept and shown: tags, key, protection."""

    id: int
    account: str
    region: str
    name: str
    created_ms: int
    retention_days: int | None
    stored_bytes: int
    document: dict[str, Any]

    @classmethod
    def from_row(cls, row: Row) -> GroupRecord:
        """Return the record of a row of `logs_groups`."""
        return cls(
            row["id"],
            row["account"],
            row["region"],
            row["name"],
            row["created_ms"],
            row["retention_days"],
            row["stored_bytes"],
            orjson.loads(row["document"]),
        )


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A log stream. The three event times are None while the stream has no event."""

    id: int
    group_id: int
    name: str
    created_ms: int
    first_event_ms: int | None
    last_event_ms: int | None
    last_ingestion_ms: int | None
    stored_bytes: int

    @classmethod
    def from_row(cls, row: Row) -> StreamRecord:
        """Return the record of a row of `logs_streams`."""
        return cls(
            row["id"],
            row["group_id"],
            row["name"],
            row["created_ms"],
            row["first_event_ms"],
            # 0 keeps streams without events in the index by last event.
            row["last_event_ms"] or None,
            row["last_ingestion_ms"],
            row["stored_bytes"],
        )
