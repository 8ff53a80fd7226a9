"""The topics of every account and region, in the state database.

A notice for an address that is reached within this process is handed over in the publisher's
transaction; for every other a row is written in it, which `courier` delivers.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from sagebrush.base.arns import Arn
from sagebrush.base.clock import Clock
from sagebrush.base.identifiers import request_id
from sagebrush.engines.topics.errors import NoSuchTopicError, UndeliverableError
from sagebrush.engines.topics.filters import matches
from sagebrush.engines.topics.records import Notice, Published, Subscription, Topic, as_text
from sagebrush.engines.topics.subscriptions import Subscriptions
from sagebrush.store.database import Database

DEDUPLICATION_S = 300.0

_log = logging.getLogger(__name__)

Handover = Callable[[Topic, Subscription, Notice], None]
Burial = Callable[[Topic, Subscription, Notice, str], None]


class Topics(Subscriptions):
    """Topics and what is published to them; `Subscriptions` has who gets it.

    Methods are synchronous and join the caller's transaction when one is open. What knows the
    protocols registers itself: `direct` hands a notice over at once, or raises
    UndeliverableError; `remote` names the protocols that the courier delivers; `bury` keeps what
    could not be delivered; `pending` is called when a delivery has been written.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        db.migrate("engines.topics", Path(__file__).parent / "migrations")
        super().__init__(db, clock)
        self.direct: dict[str, Handover] = {}
        self.remote: set[str] = set()
        self.bury: Burial = _nowhere
        self.pending: Callable[[], None] = _nobody

    def publish(
        self,
        account: str,
        region: str,
        topic_arn: str,
        message: str,
        subject: str | None = None,
        attributes: dict[str, dict[str, str]] | None = None,
    ) -> Published:
        """Send a message to everyone who subscribed to a topic; the topic may be an ARN or a name.

        Raises:
            NoSuchTopicError: the account has no such topic in that region.
        """
        arn = Arn.parse(topic_arn)
        if arn is not None and (arn.account, arn.region) != (account, region):
            raise NoSuchTopicError(topic_arn)
        topic = self.find(account, region, topic_arn if arn is None else arn.resource)
        notice = Notice(
            request_id(), message, self._clock.now(), subject=subject, attributes=attributes or {}
        )
        return self.send(topic, notice)

    def send(self, topic: Topic, notice: Notice) -> Published:
        """Send a notice to everyone who subscribed and whose filter lets it pass.

        A repetition of a FIFO topic's is not sent again.
        """
        with self._db.atomically():
            if topic.settings.is_fifo:
                earlier = self._earlier(topic, notice)
                if earlier is not None:
                    return earlier
                notice = self._numbered(topic, notice)
            for subscription in self.confirmed(topic):
                settings = subscription.settings
                if settings.filter is None or matches(
                    settings.filter, notice, in_body=settings.filters_body
                ):
                    self.address(topic, subscription, notice)
        return Published(notice.message_id, notice.number)

    def address(self, topic: Topic, subscription: Subscription, notice: Notice) -> None:
        """Send a notice to one subscription, whatever its filter says."""
        hand_over = self.direct.get(subscription.protocol)
        if hand_over is not None:
            try:
                hand_over(topic, subscription, notice)
            except UndeliverableError as error:
                self.bury(topic, subscription, notice, str(error))
        elif subscription.protocol in self.remote:
            self._db.execute(
                "INSERT INTO topics_deliveries (subscription_id, notice, due) VALUES (?, ?, ?)",
                (subscription.id, as_text(notice), self._clock.now()),
            )
            self.pending()

    def _numbered(self, topic: Topic, notice: Notice) -> Notice:
        row = self._db.one(
            "UPDATE topics_topics SET number = number + 1 WHERE id = ? RETURNING number",
            (topic.id,),
        )
        assert row is not None
        scope, deduplication_id = _deduplication(topic, notice)
        self._db.execute(
            "INSERT INTO topics_deduplication VALUES (?, ?, ?, ?, ?, ?)",
            (topic.id, scope, deduplication_id, notice.message_id, row["number"], notice.sent),
        )
        return Notice(
            notice.message_id,
            notice.body,
            notice.sent,
            notice.subject,
            notice.attributes,
            notice.bodies,
            notice.group_id,
            deduplication_id,
            row["number"],
        )

    def _earlier(self, topic: Topic, notice: Notice) -> Published | None:
        self._db.execute(
            "DELETE FROM topics_deduplication WHERE topic_id = ? AND sent <= ?",
            (topic.id, self._clock.now() - DEDUPLICATION_S),
        )
        row = self._db.one(
            "SELECT message_id, number FROM topics_deduplication"
            " WHERE topic_id = ? AND scope = ? AND deduplication_id = ?",
            (topic.id, *_deduplication(topic, notice)),
        )
        return None if row is None else Published(row["message_id"], row["number"])

    def confirmed(self, topic: Topic) -> Iterator[Subscription]:
        """Yield the confirmed subscriptions of a topic, the oldest first."""
        for row in self._db.all(
            "SELECT * FROM topics_subscriptions WHERE topic_id = ? AND token IS NULL ORDER BY id",
            (topic.id,),
        ):
            yield Subscription.from_row(row)


def _deduplication(topic: Topic, notice: Notice) -> tuple[str, str]:
    scope = (notice.group_id or "") if topic.settings.deduplicates_in_groups else ""
    given = notice.deduplication_id
    return scope, given or hashlib.sha256(notice.body.encode()).hexdigest()


def _nowhere(topic: Topic, subscription: Subscription, notice: Notice, reason: str) -> None:
    _log.warning(
        "%s of topic %s did not reach %s: %s",
        *(notice.message_id, topic.name, subscription.endpoint, reason),
    )


def _nobody() -> None:
    """No courier runs: the rows wait for one."""
