"""Reading events: within one stream by position, across streams in the order of time.

The functions take any connection, so that long reads run on another thread with a connection of
their own (`Database.reader`).
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sagebrush.engines.logs.records import LogEvent

_COLUMNS = "stream_id, timestamp_ms, position, ingested_ms, message"
_LATEST = 2**62
# What one event costs of a page beyond its text, as the service counts it.
EVENT_OVERHEAD_BYTES = 26


class Reader(Protocol):
    """A database connection, the writer's or a reader's."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> sqlite3.Cursor:
        """Run one statement."""


class EventKey(NamedTuple):
    """Where an event stands in the order across streams."""

    timestamp_ms: int
    stream_id: int
    position: int


@dataclass(frozen=True, slots=True)
class FilterPage:
    """Matching events, and the key of the last event looked at (None: nothing is left)."""

    events: list[LogEvent]
    last: EventKey | None


def stream_events(
    connection: Reader,
    stream_id: int,
    *,
    after: tuple[int, int] = (-1, -1),
    before: tuple[int, int] = (_LATEST, 0),
    newest_first: bool = False,
    limit: int = -1,
) -> Iterator[LogEvent]:
    """Yield a stream's events strictly between two `(timestamp_ms, position)` places."""
    direction = "DESC" if newest_first else "ASC"
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM logs_events WHERE stream_id = ?"
        " AND (timestamp_ms, position) > (?, ?) AND (timestamp_ms, position) < (?, ?)"
        f" ORDER BY timestamp_ms {direction}, position {direction} LIMIT ?",
        (stream_id, *after, *before, limit),
    )
    for row in rows:
        yield LogEvent(*row)


def within_bytes(events: Iterable[LogEvent], limit_bytes: int) -> list[LogEvent]:
    """Return the first events whose size together fits; at least one when there is one."""
    taken: list[LogEvent] = []
    size = 0
    for event in events:
        size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if taken and size > limit_bytes:
            break
        taken.append(event)
    return taken


def filter_events(
    connection: Reader,
    stream_ids: Iterable[int],
    matches: Callable[[str], bool],
    *,
    start_ms: int = 0,
    end_ms: int = _LATEST,
    after: EventKey | None = None,
    limit: int = 10_000,
    scan_limit: int = 100_000,
    limit_bytes: int = 1 << 20,
) -> FilterPage:
    """Return the next matching events of several streams, in the order of time.

    `start_ms` and `end_ms` are both inclusive. Reading stops after `limit` matches, `limit_bytes`
    of them, or `scan_limit` events looked at, whichever is first; then `last` says where.
    """
    merged = heapq.merge(
        *(_from_key(connection, stream_id, start_ms, end_ms, after) for stream_id in stream_ids),
        key=lambda event: (event.timestamp_ms, event.stream_id, event.position),
    )
    found: list[LogEvent] = []
    size = 0
    for scanned, event in enumerate(merged, start=1):
        if matches(event.message):
            found.append(event)
            size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if len(found) >= limit or scanned >= scan_limit or size >= limit_bytes:
            key = EventKey(event.timestamp_ms, event.stream_id, event.position)
            return FilterPage(found, None if next(merged, None) is None else key)
    return FilterPage(found, None)


def _from_key(
    connection: Reader, stream_id: int, start_ms: int, end_ms: int, after: EventKey | None
) -> Iterator[LogEvent]:
    place = (start_ms, -1)
    if after is not None:
        # Streams are ordered by id among events of the same millisecond.
        if stream_id < after.stream_id:
            continued = (after.timestamp_ms, _LATEST)
        elif stream_id == after.stream_id:
            continued = (after.timestamp_ms, after.position)
        else:
            continued = (after.timestamp_ms, -1)
        place = max(place, continued)
    return stream_events(connection, stream_id, after=place, before=(end_ms + 1, -1))
