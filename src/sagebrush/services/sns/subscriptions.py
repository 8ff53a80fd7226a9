"""Subscriptions: asked for, confirmed, changed, ended."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.base.identifiers import hexadecimal, request_id
from sagebrush.engines.topics import NoSuchTopicError, Notice, Subscription, Topic
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sns.delivery_policies import effective
from sagebrush.services.sns.lookups import (
    find_subscription,
    find_topic,
    invalid,
    subscription_arn,
    topic_arn,
)
from sagebrush.services.sns.subscription_attributes import (
    check_endpoint,
    check_filter,
    checked,
    settings_of,
)

_PAGE = 100
_TOKEN_DIGITS = 224
_PENDING = "pending confirmation"


def subscribe(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Let an address have a topic's notices; a queue of the account at once, others confirm."""
    topic = find_topic(context, request["TopicArn"])
    protocol, endpoint = request["Protocol"], request.get("Endpoint", "")
    if topic.settings.is_fifo and protocol != "sqs":
        raise invalid("Protocol Reason: FIFO topics deliver to queues only")
    check_endpoint(topic, protocol, endpoint)
    attributes = checked(context, topic, request.get("Attributes", {}))
    check_filter(attributes)
    topics = context.platform.topics
    subscription = topics.subscription_at(topic, protocol, endpoint)
    if subscription is None:
        token = None if protocol == "sqs" else hexadecimal(_TOKEN_DIGITS)
        subscription = topics.subscribe(
            topic,
            context.account,
            protocol,
            endpoint,
            settings_of(attributes),
            attributes=attributes,
            token=token,
        )
    elif any(subscription.attributes.get(name) != text for name, text in attributes.items()):
        raise invalid("Attributes Reason: Subscription already exists with different attributes")
    if not subscription.is_confirmed:
        _ask(context, topic, subscription)
        if not request.get("ReturnSubscriptionArn"):
            return {"SubscriptionArn": _PENDING}
    return {"SubscriptionArn": subscription_arn(topic, subscription)}


def confirm_subscription(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm the subscription that a token was sent to; whoever has the token may."""
    topic = _topic_of_anyone(context, request["TopicArn"])
    token = request["Token"]
    subscription = context.platform.topics.awaiting(topic, token)
    if subscription is None:
        raise invalid("Token")
    strict = request.get("AuthenticateOnUnsubscribe", "").lower() == "true"
    context.platform.topics.confirm(
        subscription, {"AuthenticateOnUnsubscribe": "true"} if strict else {}
    )
    return {"SubscriptionArn": subscription_arn(topic, subscription)}


def unsubscribe(context: Context, request: dict[str, Any]) -> None:
    """End a subscription; one that is not there is ended already."""
    try:
        _, subscription = find_subscription(context, request["SubscriptionArn"])
    except ApiError as error:
        if error.code == "NotFound":
            return
        raise
    if subscription.attributes.get("AuthenticateOnUnsubscribe") == "true" and (
        not context.principal.access_key
    ):
        raise ApiError("AuthorizationError", "Authentication is required to unsubscribe")
    context.platform.topics.unsubscribe(subscription)


def list_subscriptions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of all subscriptions."""
    return _page(context, request, None)


def list_subscriptions_by_topic(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a topic's subscriptions."""
    return _page(context, request, find_topic(context, request["TopicArn"]))


def get_subscription_attributes(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a subscription's attributes."""
    topic, subscription = find_subscription(context, request["SubscriptionArn"])
    kept = dict(subscription.attributes)
    strict = kept.pop("AuthenticateOnUnsubscribe", "false")
    attributes = {
        "SubscriptionArn": subscription_arn(topic, subscription),
        "TopicArn": topic_arn(topic),
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "RawMessageDelivery": "false",
        "PendingConfirmation": "false" if subscription.is_confirmed else "true",
        "ConfirmationWasAuthenticated": "true" if subscription.protocol == "sqs" else strict,
        "SubscriptionPrincipal": f"arn:aws:iam::{subscription.owner}:root",
    }
    if subscription.protocol in ("http", "https"):
        policy = effective(topic, subscription)
        attributes["EffectiveDeliveryPolicy"] = orjson.dumps(policy).decode()
    if "FilterPolicy" in kept:
        attributes["FilterPolicyScope"] = "MessageAttributes"
    return {"Attributes": attributes | kept}


def set_subscription_attributes(context: Context, request: dict[str, Any]) -> None:
    """Change one attribute; an empty document removes it."""
    topic, subscription = find_subscription(context, request["SubscriptionArn"])
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    attributes = {key: text for key, text in subscription.attributes.items() if key != name}
    attributes |= checked(context, topic, {name: value})
    check_filter(attributes)
    context.platform.topics.change(subscription, settings_of(attributes), attributes)


def _ask(context: Context, topic: Topic, subscription: Subscription) -> None:
    """Send the token to the address, again if it was asked before."""
    text = (
        f"You have chosen to subscribe to the topic {topic_arn(topic)}.\nTo confirm the"
        " subscription, visit the SubscribeURL included in this message."
    )
    notice = Notice(request_id(), text, context.now, kind="confirmation", token=subscription.token)
    context.platform.topics.address(topic, subscription, notice)


def _topic_of_anyone(context: Context, text: str) -> Topic:
    """Return a topic whose account need not be the caller's: a visited link is not signed."""
    arn = Arn.parse(text)
    if arn is None or arn.service != "sns":
        raise invalid("TopicArn")
    try:
        return context.platform.topics.find(arn.account, arn.region, arn.resource)
    except NoSuchTopicError:
        raise ApiError("NotFound", "Topic does not exist") from None


def _page(context: Context, request: dict[str, Any], topic: Topic | None) -> dict[str, Any]:
    after = 0
    if "NextToken" in request:
        after = decode_token(request["NextToken"], "InvalidParameter", (int,))[0]
    found = context.platform.topics.subscriptions(
        context.account, context.region, topic=topic, after=after, limit=_PAGE + 1
    )
    answer: dict[str, Any] = {
        "Subscriptions": [
            {
                "SubscriptionArn": subscription_arn(of, one)
                if one.is_confirmed
                else "PendingConfirmation",
                "Owner": one.owner,
                "Protocol": one.protocol,
                "Endpoint": one.endpoint,
                "TopicArn": topic_arn(of),
            }
            for of, one in found[:_PAGE]
        ]
    }
    if len(found) > _PAGE:
        answer["NextToken"] = encode_token([found[_PAGE - 1][1].id])
    return answer
