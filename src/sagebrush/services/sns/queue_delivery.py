"""Notices to queues: sent in the publisher's transaction, so none is lost and none repeated."""

from __future__ import annotations

import logging

from sagebrush.base.arns import Arn
from sagebrush.engines.queues import NewMessage, NoSuchQueueError
from sagebrush.engines.topics import Notice, Subscription, Topic, UndeliverableError
from sagebrush.services.platform import Platform
from sagebrush.services.sns.envelopes import envelope

_SENDER = "AIDAISDP4YZW4OYJ6XZRW"
_MAXIMUM_ATTRIBUTES = 10

_log = logging.getLogger(__name__)


class QueueDelivery:
    """Sends to the queue whose ARN the subscription names."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def hand_over(self, topic: Topic, subscription: Subscription, notice: Notice) -> None:
        """Send a notice.

        Raises:
            UndeliverableError: there is no such queue, or it cannot take the notice.
        """
        raw = subscription.settings.is_raw
        attributes = notice.attributes if raw else {}
        if len(attributes) > _MAXIMUM_ATTRIBUTES:
            reason = "a message in a queue has at most 10 attributes"
            raise UndeliverableError(reason, is_final=True)
        body = (
            notice.body_for(subscription.protocol)
            if raw
            else envelope(self._platform, topic, subscription, notice)
        )
        self._send(subscription.endpoint, body, attributes, notice)

    def bury(self, topic: Topic, subscription: Subscription, notice: Notice, reason: str) -> None:
        """Keep what did not arrive in the subscription's queue for dead letters, if it has one."""
        _log.warning(
            "notice %s of topic %s did not reach %s: %s",
            *(notice.message_id, topic.name, subscription.endpoint, reason),
        )
        target = subscription.settings.dead_letters_to
        if target is None or notice.kind != "notification":
            return
        attributes = {
            "ErrorMessage": {"type": "String", "value": reason[:1024]},
            "RequestID": {"type": "String", "value": notice.message_id},
        }
        body = (
            notice.body_for(subscription.protocol)
            if subscription.settings.is_raw
            else envelope(self._platform, topic, subscription, notice)
        )
        try:
            self._send(target, body, attributes, notice)
        except UndeliverableError as error:
            _log.warning("nor did its dead-letter queue %s take it: %s", target, error)

    def _send(
        self, arn: str, body: str, attributes: dict[str, dict[str, str]], notice: Notice
    ) -> None:
        parsed = Arn.parse(arn)
        queues = self._platform.queues
        try:
            if parsed is None:
                raise NoSuchQueueError(arn)
            queue = queues.find(parsed.account, parsed.region, parsed.resource)
        except NoSuchQueueError:
            raise UndeliverableError(f"there is no queue {arn}", is_final=True) from None
        if len(body.encode()) > queue.settings.maximum_bytes:
            reason = f"the queue {arn} takes at most {queue.settings.maximum_bytes} bytes"
            raise UndeliverableError(reason, is_final=True)
        if queue.settings.is_fifo and notice.group_id is None:
            reason = f"the queue {arn} needs a message group"
            raise UndeliverableError(reason, is_final=True)
        queues.send(
            queue,
            NewMessage(
                body=body,
                attributes=attributes,
                system={"SenderId": _SENDER},
                group_id=notice.group_id,
                deduplication_id=notice.deduplication_id,
            ),
        )
