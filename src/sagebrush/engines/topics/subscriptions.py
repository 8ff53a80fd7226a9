"""Topics and subscriptions as rows."""

from __future__ import annotations

from sagebrush.base.clock import Clock
from sagebrush.base.identifiers import request_id
from sagebrush.engines.topics.errors import NoSuchSubscriptionError, NoSuchTopicError
from sagebrush.engines.topics.records import (
    Subscription,
    SubscriptionSettings,
    Topic,
    TopicSettings,
    as_text,
)
from sagebrush.store.database import Database


class Subscriptions:
    """Makes, finds, changes and removes topics and subscriptions."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def create(
        self,
        account: str,
        region: str,
        name: str,
        settings: TopicSettings,
        *,
        attributes: dict[str, str],
        tags: dict[str, str],
    ) -> Topic:
        """Make a topic; there must be none of that name."""
        row = self._db.one(
            "INSERT INTO topics_topics (account, region, name, created, settings, attributes, tags)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
            (
                *(account, region, name, self._clock.now()),
                *(as_text(settings), as_text(attributes), as_text(tags)),
            ),
        )
        assert row is not None
        return Topic.from_row(row)

    def find(self, account: str, region: str, name: str) -> Topic:
        """Return a topic.

        Raises:
            NoSuchTopicError: there is none of that name.
        """
        row = self._db.one(
            "SELECT * FROM topics_topics WHERE account = ? AND region = ? AND name = ?",
            (account, region, name),
        )
        if row is None:
            raise NoSuchTopicError(name)
        return Topic.from_row(row)

    def topic_of(self, subscription: Subscription) -> Topic:
        """Return the topic of a subscription."""
        row = self._db.one("SELECT * FROM topics_topics WHERE id = ?", (subscription.topic_id,))
        if row is None:
            raise NoSuchTopicError(subscription.key)
        return Topic.from_row(row)

    def page(self, account: str, region: str, *, after: str = "", limit: int = 100) -> list[Topic]:
        """Return up to `limit` topics with a name after `after`."""
        rows = self._db.all(
            "SELECT * FROM topics_topics WHERE account = ? AND region = ? AND name > ?"
            " ORDER BY name LIMIT ?",
            (account, region, after, limit),
        )
        return [Topic.from_row(row) for row in rows]

    def update(self, topic: Topic, settings: TopicSettings, attributes: dict[str, str]) -> None:
        """Give a topic other settings."""
        self._db.execute(
            "UPDATE topics_topics SET settings = ?, attributes = ? WHERE id = ?",
            (as_text(settings), as_text(attributes), topic.id),
        )

    def tag(self, topic: Topic, tags: dict[str, str]) -> None:
        """Replace a topic's tags."""
        self._db.execute(
            "UPDATE topics_topics SET tags = ? WHERE id = ?", (as_text(tags), topic.id)
        )

    def delete(self, topic: Topic) -> None:
        """Remove a topic with its subscriptions and what is still to be delivered."""
        self._db.execute("DELETE FROM topics_topics WHERE id = ?", (topic.id,))

    def subscribe(
        self,
        topic: Topic,
        owner: str,
        protocol: str,
        endpoint: str,
        settings: SubscriptionSettings,
        *,
        attributes: dict[str, str],
        token: str | None,
    ) -> Subscription:
        """Make a subscription; with a `token` it gets nothing before it is confirmed."""
        row = self._db.one(
            "INSERT INTO topics_subscriptions (key, topic_id, owner, protocol, endpoint, token,"
            " created, settings, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            (
                *(request_id(), topic.id, owner, protocol, endpoint, token, self._clock.now()),
                *(as_text(settings), as_text(attributes)),
            ),
        )
        assert row is not None
        return Subscription.from_row(row)

    def subscription(self, key: str) -> Subscription:
        """Return a subscription by its key.

        Raises:
            NoSuchSubscriptionError: there is none.
        """
        row = self._db.one("SELECT * FROM topics_subscriptions WHERE key = ?", (key,))
        if row is None:
            raise NoSuchSubscriptionError(key)
        return Subscription.from_row(row)

    def subscription_at(self, topic: Topic, protocol: str, endpoint: str) -> Subscription | None:
        """Return the subscription of an address, or None."""
        row = self._db.one(
            "SELECT * FROM topics_subscriptions"
            " WHERE topic_id = ? AND protocol = ? AND endpoint = ?",
            (topic.id, protocol, endpoint),
        )
        return None if row is None else Subscription.from_row(row)

    def awaiting(self, topic: Topic, token: str) -> Subscription | None:
        """Return the subscription that a token was sent to, or None when it waits no longer."""
        row = self._db.one(
            "SELECT * FROM topics_subscriptions WHERE topic_id = ? AND token = ?",
            (topic.id, token),
        )
        return None if row is None else Subscription.from_row(row)

    def subscriptions(
        self,
        account: str,
        region: str,
        *,
        topic: Topic | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[tuple[Topic, Subscription]]:
        """Return up to `limit` subscriptions with an id after `after`, of one topic or of all."""
        rows = self._db.all(
            "SELECT s.*, t.name AS topic_name FROM topics_subscriptions AS s"
            " JOIN topics_topics AS t ON t.id = s.topic_id"
            " WHERE t.account = ? AND t.region = ? AND s.id > ? AND (t.id = ? OR ? IS NULL)"
            " ORDER BY s.id LIMIT ?",
            (account, region, after, *((topic.id,) * 2 if topic else (None, None)), limit),
        )
        topics: dict[str, Topic] = {}
        found = []
        for row in rows:
            name = row["topic_name"]
            if name not in topics:
                topics[name] = topic or self.find(account, region, name)
            found.append((topics[name], Subscription.from_row(row)))
        return found

    def counts(self, topic: Topic) -> tuple[int, int]:
        """Return how many subscriptions of a topic are confirmed and how many are not yet."""
        row = self._db.one(
            "SELECT count(*) - count(token), count(token) FROM topics_subscriptions"
            " WHERE topic_id = ?",
            (topic.id,),
        )
        assert row is not None
        return row[0], row[1]

    def confirm(self, subscription: Subscription, attributes: dict[str, str]) -> None:
        """Let a subscription have its notices from now on."""
        self._db.execute(
            "UPDATE topics_subscriptions SET token = NULL, attributes = ? WHERE id = ?",
            (as_text(subscription.attributes | attributes), subscription.id),
        )

    def change(
        self,
        subscription: Subscription,
        settings: SubscriptionSettings,
        attributes: dict[str, str],
    ) -> None:
        """Give a subscription other settings."""
        self._db.execute(
            "UPDATE topics_subscriptions SET settings = ?, attributes = ? WHERE id = ?",
            (as_text(settings), as_text(attributes), subscription.id),
        )

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription and what was still to be delivered to it."""
        self._db.execute("DELETE FROM topics_subscriptions WHERE id = ?", (subscription.id,))
