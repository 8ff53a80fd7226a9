"""The JSON that subscribers get around a message.

Fields and their order: "Parsing Amazon SNS message formats", Amazon SNS Developer Guide.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from sagebrush.engines.topics import Notice, Subscription, Topic
from sagebrush.services.sns.lookups import subscription_arn, topic_arn

if TYPE_CHECKING:
    from sagebrush.services.platform import Platform

_API_VERSION = "2010-03-31"
# Twenty digits, as AWS's sequence numbers have.
_FIRST_SEQUENCE_NUMBER = 10_000_000_000_000_000_000
TYPES = {
    "notification": "Notification",
    "confirmation": "SubscriptionConfirmation",
}
_SIGNED = {
    "notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "confirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn"),
        "Type",
    ),
}


def envelope(platform: Platform, topic: Topic, subscription: Subscription, notice: Notice) -> str:
    """Return the document that a subscriber gets for a notice, signed."""
    document: dict[str, Any] = {"Type": TYPES[notice.kind], "MessageId": notice.message_id}
    if topic.settings.is_fifo:
        document["SequenceNumber"] = sequence_number(notice.number)
    if notice.token is not None:
        document["Token"] = notice.token
    document["TopicArn"] = topic_arn(topic)
    if notice.subject is not None:
        document["Subject"] = notice.subject
    document["Message"] = notice.body_for(subscription.protocol)
    if notice.token is not None:
        document["SubscribeURL"] = subscribe_url(platform, topic, notice.token)
    document["Timestamp"] = timestamp(notice.sent)
    if not topic.settings.is_fifo:
        document |= _signature(platform, topic, notice, document)
    if notice.kind == "notification":
        document["UnsubscribeURL"] = unsubscribe_url(platform, topic, subscription)
        if notice.attributes:
            document["MessageAttributes"] = {
                name: {"Type": one["type"], "Value": one["value"]}
                for name, one in notice.attributes.items()
            }
    return orjson.dumps(document).decode()


def sequence_number(number: int) -> str:
    """Return the number of a FIFO topic's message as AWS writes it."""
    return str(_FIRST_SEQUENCE_NUMBER + number)


def timestamp(moment: float) -> str:
    """Return a moment in UTC with milliseconds."""
    told = dt.datetime.fromtimestamp(moment, dt.UTC)
    return f"{told:%Y-%m-%dT%H:%M:%S}.{told.microsecond // 1000:03d}Z"


def subscribe_url(platform: Platform, topic: Topic, token: str) -> str:
    """Return the address that confirms a subscription when it is visited."""
    return _action(platform, Action="ConfirmSubscription", TopicArn=topic_arn(topic), Token=token)


def unsubscribe_url(platform: Platform, topic: Topic, subscription: Subscription) -> str:
    """Return the address that ends a subscription when it is visited."""
    return _action(
        platform, Action="Unsubscribe", SubscriptionArn=subscription_arn(topic, subscription)
    )


def _action(platform: Platform, **parameters: str) -> str:
    query = urlencode(parameters | {"Version": _API_VERSION}, safe=":")
    return f"{platform.settings.endpoint}/?{query}"


def _signature(
    platform: Platform, topic: Topic, notice: Notice, document: dict[str, Any]
) -> dict[str, str]:
    from sagebrush.services.sns.signing import signer_of

    version = topic.attributes.get("SignatureVersion", "1")
    text = "".join(
        f"{name}\n{document[name]}\n" for name in _SIGNED[notice.kind] if name in document
    )
    signer = signer_of(platform)
    return {
        "SignatureVersion": version,
        "Signature": signer.sign(text, version),
        "SigningCertURL": signer.certificate_url,
    }
