"""Topics, subscriptions and notices as values. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from sagebrush.store.database import Row

Kind = Literal["notification", "confirmation"]


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """What a topic acts on: order and deduplication, as the queues have them."""

    is_fifo: bool = False
    deduplicates_content: bool = False
    deduplicates_in_groups: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """What a subscription acts on.

    `is_raw` sends the message alone. `filter` is a filter policy; `filters_body` applies it to the
    body instead of the attributes. What cannot be delivered goes to the queue `dead_letters_to`.
    """

    is_raw: bool = False
    filter: dict[str, Any] | None = None
    filters_body: bool = False
    dead_letters_to: str | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. `attributes` and `tags` are kept for whoever made it; the engine reads neither."""

    id: int
    account: str
    region: str
    name: str
    created: float
    settings: TopicSettings
    attributes: dict[str, str]
    tags: dict[str, str]

    @classmethod
    def from_row(cls, row: Row) -> Topic:
        """Return the topic of a row of `topics_topics`."""
        return cls(
            row["id"],
            row["account"],
            row["region"],
            row["name"],
            row["created"],
            TopicSettings(**orjson.loads(row["settings"])),
            orjson.loads(row["attributes"]),
            orjson.loads(row["tags"]),
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address that gets a topic's notices; none before `token` was sent back."""

    id: int
    key: str
    topic_id: int
    owner: str
    protocol: str
    endpoint: str
    token: str | None
    settings: SubscriptionSettings
    attributes: dict[str, str]

    @property
    def is_confirmed(self) -> bool:
        """Whether the address wants the notices."""
        return self.token is None

    @classmethod
    def from_row(cls, row: Row) -> Subscription:
        """Return the subscription of a row of `topics_subscriptions`."""
        return cls(
            row["id"],
            row["key"],
            row["topic_id"],
            row["owner"],
            row["protocol"],
            row["endpoint"],
            row["token"],
            SubscriptionSettings(**orjson.loads(row["settings"])),
            orjson.loads(row["attributes"]),
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """What is delivered. `bodies` are what some protocols get instead of `body`.

    `attributes` are `{"type": ..., "value": ...}` by name, binary values in base64. `number`
    orders the notices of a FIFO topic. `token` belongs to a notice that asks for confirmation.
    """

    message_id: str
    body: str
    sent: float
    subject: str | None = None
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    number: int = 0
    kind: Kind = "notification"
    token: str | None = None

    def body_for(self, protocol: str) -> str:
        """Return what a protocol gets."""
        return self.bodies.get(protocol, self.body)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a message; `number` orders a FIFO topic's."""

    message_id: str
    number: int


def as_text(value: Any) -> str:
    """Return the JSON of a column."""
    return orjson.dumps(value).decode()
