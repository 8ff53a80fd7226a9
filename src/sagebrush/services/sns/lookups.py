"""From ARNs to topics and subscriptions, and back."""

from __future__ import annotations

from sagebrush.base.arns import Arn, partition_of
from sagebrush.base.errors import ApiError
from sagebrush.engines.topics import (
    NoSuchSubscriptionError,
    NoSuchTopicError,
    Subscription,
    Topic,
)
from sagebrush.services.platform import Context


def topic_arn(topic: Topic) -> str:
    """Return the ARN of a topic."""
    parts = (partition_of(topic.region), "sns", topic.region, topic.account, topic.name)
    return str(Arn(*parts))


def subscription_arn(topic: Topic, subscription: Subscription) -> str:
    """Return the ARN of a subscription."""
    return f"{topic_arn(topic)}:{subscription.key}"


def find_topic(context: Context, text: str, *, member: str = "TopicArn") -> Topic:
    """Return the topic of an ARN.

    Raises:
        ApiError: InvalidParameter, AuthorizationError for another account's, NotFound.
    """
    arn = Arn.parse(text)
    if arn is None or arn.service != "sns" or not arn.resource or ":" in arn.resource:
        parts = len(text.split(":"))
        few = f"{member} Reason: An ARN must have at least 6 elements, not {parts}"
        raise invalid(few if parts < 6 else member)
    if arn.region != context.region:
        raise invalid(member)
    if arn.account != context.account:
        raise ApiError(
            "AuthorizationError",
            f"User: {context.principal.arn} is not authorized to perform:"
            f" SNS:{context.operation} on resource: {text}",
            status=403,
        )
    try:
        return context.platform.topics.find(arn.account, arn.region, arn.resource)
    except NoSuchTopicError:
        raise ApiError("NotFound", "Topic does not exist") from None


def find_subscription(context: Context, text: str) -> tuple[Topic, Subscription]:
    """Return the subscription of an ARN, with its topic.

    Raises:
        ApiError: InvalidParameter, NotFound.
    """
    arn = Arn.parse(text)
    if arn is None or arn.service != "sns":
        raise invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not 1")
    name, _, key = arn.resource.partition(":")
    if not key:
        raise invalid("SubscriptionArn")
    topics = context.platform.topics
    try:
        subscription = topics.subscription(key)
        topic = topics.topic_of(subscription)
    except (NoSuchSubscriptionError, NoSuchTopicError):
        raise ApiError("NotFound", "Subscription does not exist") from None
    if (topic.account, topic.region, topic.name) != (arn.account, arn.region, name):
        raise ApiError("NotFound", "Subscription does not exist")
    return topic, subscription


def invalid(what: str) -> ApiError:
    """Return the error for a parameter that cannot be."""
    return ApiError("InvalidParameter", f"Invalid parameter: {what}")
