"""What the SNS folder holds, and how notices leave it.

Topics are an engine, which other services publish to; this folder tells it how queues and HTTP
endpoints are reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

if TYPE_CHECKING:
    from sagebrush.engines.topics import Notice, Subscription, Topic, Topics
    from sagebrush.engines.topics.courier import Courier

_RESOURCES = ("publishing", "subscriptions", "topic_permissions", "topic_tags", "topics")
_FOLDER = "sagebrush.services.sns"


async def _start(platform: Platform) -> None:
    """Tell the topics how notices get away; what does it is loaded with the first notice."""

    def hand_over(topic: Topic, subscription: Subscription, notice: Notice) -> None:
        from sagebrush.services.sns.queue_delivery import QueueDelivery

        QueueDelivery(platform).hand_over(topic, subscription, notice)

    def bury(topic: Topic, subscription: Subscription, notice: Notice, reason: str) -> None:
        from sagebrush.services.sns.queue_delivery import QueueDelivery

        QueueDelivery(platform).bury(topic, subscription, notice, reason)

    def register(topics: Topics) -> None:
        topics.direct["sqs"] = hand_over
        topics.remote |= {"http", "https"}
        topics.bury = bury
        topics.pending = lambda: _courier(platform).wake()

    platform.carriers.append(register)
    platform.pages["sns"] = lambda name: _certificate(platform, name)
    if platform.db.one("SELECT 1 FROM topics_deliveries LIMIT 1") is not None:
        _courier(platform).wake()


def _courier(platform: Platform) -> Courier:
    """Return the courier of a server, made with the first notice that needs it."""
    found: Courier | None = platform.workers.get("sns courier")
    if found is None:
        from sagebrush.engines.topics.courier import Courier
        from sagebrush.services.sns.delivery_policies import delays_s
        from sagebrush.services.sns.http_delivery import HttpDelivery

        found = platform.workers["sns courier"] = Courier(
            platform.db,
            platform.clock,
            platform.topics,
            platform.spawn,
            HttpDelivery(platform).deliver,
            delays_s,
        )
    return found


def _certificate(platform: Platform, name: str) -> tuple[str, bytes] | None:
    """Return the certificate that notices are signed for, at the address they tell."""
    from sagebrush.services.sns.signing import signer_of

    signer = signer_of(platform)
    return ("application/x-pem-file", signer.certificate) if name == signer.page else None


SERVICE = Service(
    name="sns",
    modules=tuple(f"{_FOLDER}.{resource}" for resource in _RESOURCES),
    start=_start,
)
