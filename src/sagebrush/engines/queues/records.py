"""Queues and messages as values. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from sagebrush.store.database import Row


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What a queue acts on.

    With `is_fifo` messages of a group come in order, one holder at a time, and repetitions of a
    deduplication id are dropped; `deduplicates_content` makes that id of the body where none is
    given, `deduplicates_in_groups` compares within a group only. What was received
    `maximum_receives` times goes to the queue `dead_letters_to` of the same account and region.
    """

    visibility_s: int = 30
    delay_s: int = 0
    retention_s: int = 345_600
    wait_s: int = 0
    maximum_bytes: int = 1_048_576
    is_fifo: bool = False
    deduplicates_content: bool = False
    deduplicates_in_groups: bool = False
    dead_letters_to: str | None = None
    maximum_receives: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue. `attributes` and `tags` are kept for whoever made it; the engine reads neither."""

    id: int
    account: str
    region: str
    name: str
    created: float
    modified: float
    purged: float
    settings: QueueSettings
    attributes: dict[str, str]
    tags: dict[str, str]

    @classmethod
    def from_row(cls, row: Row) -> Queue:
        """Return the queue of a row of `queues_queues`."""
        return cls(
            row["id"],
            row["account"],
            row["region"],
            row["name"],
            row["created"],
            row["modified"],
            row["purged"],
            QueueSettings(**orjson.loads(row["settings"])),
            orjson.loads(row["attributes"]),
            orjson.loads(row["tags"]),
        )


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be sent. `delay_s` None takes the queue's.

    `attributes` are `{"type": ..., "value": ...}` by name, binary values in base64; `system` is
    what comes with the message beside them, text by name.
    """

    body: str
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    delay_s: int | None = None
    group_id: str | None = None
    deduplication_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message that was sent; `number` orders the messages of a queue."""

    message_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message as one receiver holds it, with the receipt to delete it by."""

    number: int
    message_id: str
    receipt: str
    body: str
    attributes: dict[str, dict[str, str]]
    system: dict[str, str]
    group_id: str | None
    deduplication_id: str | None
    sent: float
    receives: int
    first_received: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages can be received, are held by a receiver, are delayed."""

    visible: int
    in_flight: int
    delayed: int


def queue_values(settings: QueueSettings, attributes: dict[str, str]) -> tuple[Any, Any]:
    """Return the columns `settings` and `attributes` of a queue."""
    return orjson.dumps(settings).decode(), orjson.dumps(attributes).decode()
