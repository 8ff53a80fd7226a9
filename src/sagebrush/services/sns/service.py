"""What the SNS folder holds, and how notices leave it.

Topics are an engine, which other services publish to; this folder tells it how queues and HTTP
endpoints are reached.
"""

from __future__ import annotations

from sagebrush.engines.topics import Notice, Subscription, Topic
from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

_RESOURCES = ("publishing", "subscriptions", "topic_permissions", "topic_tags", "topics")


async def _start(platform: Platform) -> None:
    def hand_over(topic: Topic, subscription: Subscription, notice: Notice) -> None:
        from sagebrush.services.sns.queue_delivery import QueueDelivery

        QueueDelivery(platform).hand_over(topic, subscription, notice)

    def bury(topic: Topic, subscription: Subscription, notice: Notice, reason: str) -> None:
        from sagebrush.services.sns.queue_delivery import QueueDelivery

        QueueDelivery(platform).bury(topic, subscription, notice, reason)

    platform.topics.direct["sqs"] = hand_over
    platform.topics.bury = bury


SERVICE = Service(
    name="sns",
    modules=tuple(f"sagebrush.services.sns.{resource}" for resource in _RESOURCES),
    start=_start,
)
