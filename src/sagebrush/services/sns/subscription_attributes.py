"""Attributes of subscriptions, and who may subscribe with what address.

Names and values: Amazon SNS API Reference, `Subscribe` and `SetSubscriptionAttributes`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson

from sagebrush.base.arns import Arn
from sagebrush.engines.queues import NoSuchQueueError, Queue
from sagebrush.engines.topics import FilterError, SubscriptionSettings, Topic
from sagebrush.engines.topics.filters import check
from sagebrush.services.platform import Context
from sagebrush.services.sns.delivery_policies import check_subscription_policy
from sagebrush.services.sns.lookups import invalid

# Nobody here could ever read the mail that confirms it: such a subscription stays pending.
_PENDING_FOR_EVER = ("email", "email-json")
_ELSEWHERE = ("application", "firehose", "lambda", "sms")
_BOOLEANS = ("true", "false")


def check_endpoint(topic: Topic, protocol: str, endpoint: str) -> None:
    """Refuse an address that the protocol does not have.

    Raises:
        ApiError: InvalidParameter.
    """
    if protocol in _ELSEWHERE:
        raise invalid(
            f"Protocol Reason: Sagebrush does not deliver to {protocol}; subscribe sqs, http or"
            " https"
        )
    if protocol in ("http", "https"):
        parts = urlsplit(endpoint)
        if parts.scheme != protocol:
            raise invalid("Endpoint must match the specified protocol")
        if not parts.hostname or any(c.isspace() for c in endpoint):
            raise invalid("HTTP(S) Endpoint is not a valid URL")
    elif protocol == "sqs":
        _check_queue(topic, endpoint)
    elif protocol in _PENDING_FOR_EVER:
        if "@" not in endpoint:
            raise invalid("Email address")
    else:
        raise invalid(f"Does not support this protocol string: {protocol}")


def _check_queue(topic: Topic, endpoint: str) -> None:
    arn = Arn.parse(endpoint)
    if arn is None or arn.service != "sqs":
        raise invalid("SQS endpoint ARN")
    is_fifo = arn.resource.endswith(".fifo")
    if is_fifo and not topic.settings.is_fifo:
        raise invalid(
            "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )


def checked(context: Context, topic: Topic, given: dict[str, str]) -> dict[str, str]:
    """Return the attributes to keep; empty documents are left out.

    Raises:
        ApiError: InvalidParameter.
    """
    kept = {}
    for name, value in given.items():
        if name == "RawMessageDelivery":
            if value.lower() not in _BOOLEANS:
                raise invalid(f"RawMessageDelivery Reason: {value} is not a boolean")
            kept[name] = value.lower()
        elif name == "FilterPolicyScope":
            if value not in ("MessageAttributes", "MessageBody"):
                raise invalid(
                    f"FilterPolicyScope: Invalid value [{value}]. Please use either"
                    " MessageBody or MessageAttributes"
                )
            kept[name] = value
        elif name in ("FilterPolicy", "RedrivePolicy", "DeliveryPolicy"):
            document = _document(name, value)
            if document:
                kept[name] = value
            if name == "RedrivePolicy" and document:
                _check_redrive(context, topic, document)
            if name == "DeliveryPolicy":
                check_subscription_policy(document)
        elif name != "SubscriptionRoleArn":
            raise invalid("AttributeName")
    return kept


def check_filter(attributes: dict[str, str]) -> None:
    """Refuse a filter policy that its scope cannot have; raises ApiError InvalidParameter."""
    if "FilterPolicy" in attributes:
        in_body = attributes.get("FilterPolicyScope") == "MessageBody"
        try:
            check(orjson.loads(attributes["FilterPolicy"]), in_body=in_body)
        except FilterError as error:
            raise invalid(f"FilterPolicy: {error}") from None


def settings_of(attributes: dict[str, str]) -> SubscriptionSettings:
    """Return what the engine acts on, of attributes that were checked."""
    redrive = orjson.loads(attributes.get("RedrivePolicy", "{}"))
    policy = attributes.get("FilterPolicy")
    return SubscriptionSettings(
        is_raw=attributes.get("RawMessageDelivery") == "true",
        filter=None if policy is None else orjson.loads(policy),
        filters_body=attributes.get("FilterPolicyScope") == "MessageBody",
        dead_letters_to=redrive.get("deadLetterTargetArn"),
    )


def _document(name: str, value: str) -> dict[str, Any]:
    if not value:
        return {}
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise invalid(f"{name}: failed to parse JSON.") from None
    if not isinstance(document, dict):
        raise invalid(f"{name}: failed to parse JSON.")
    return document


def _check_redrive(context: Context, topic: Topic, document: dict[str, Any]) -> None:
    target = document.get("deadLetterTargetArn")
    if list(document) != ["deadLetterTargetArn"] or not isinstance(target, str):
        raise invalid("RedrivePolicy: Failed to find deadLetterTargetArn")
    queue = _queue(context, target)
    if queue is None:
        raise invalid("RedrivePolicy: deadLetterTargetArn is not a queue of this account")
    if queue.settings.is_fifo != topic.settings.is_fifo:
        raise invalid(
            "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO topic, a standard one for"
            " a standard topic"
        )


def _queue(context: Context, text: str) -> Queue | None:
    arn = Arn.parse(text)
    if arn is None or (arn.service, arn.account) != ("sqs", context.account):
        return None
    try:
        return context.platform.queues.find(arn.account, arn.region, arn.resource)
    except NoSuchQueueError:
        return None
