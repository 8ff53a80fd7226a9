"""Topics: made, found, changed, deleted."""

from __future__ import annotations

import re
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.topics import NoSuchTopicError, Topic
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sns.delivery_policies import effective
from sagebrush.services.sns.lookups import find_topic, invalid, topic_arn
from sagebrush.services.sns.topic_attributes import checked, default_policy, settings_of
from sagebrush.services.sns.topic_tags import _as_map

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO_SUFFIX = ".fifo"
_PAGE = 100


def create_topic(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a topic, or answer the one that is there with the same attributes and tags."""
    if "DataProtectionPolicy" in request:
        raise invalid("DataProtectionPolicy Reason: Sagebrush has no data protection policies")
    name, given = request["Name"], dict(request.get("Attributes", {}))
    is_fifo = given.get("FifoTopic") == "true"
    _check_name(name, is_fifo=is_fifo)
    attributes, tags = checked(given, is_fifo=is_fifo), _as_map(request.get("Tags", []))
    topics = context.platform.topics
    try:
        topic = topics.find(context.account, context.region, name)
    except NoSuchTopicError:
        topic = topics.create(
            context.account,
            context.region,
            name,
            settings_of(attributes),
            attributes=attributes,
            tags=tags,
        )
    else:
        _check_equal(topic, attributes, tags)
    return {"TopicArn": topic_arn(topic)}


def delete_topic(context: Context, request: dict[str, Any]) -> None:
    """Remove a topic with its subscriptions; one that is not there is removed already."""
    try:
        topic = find_topic(context, request["TopicArn"])
    except ApiError as error:
        if error.code == "NotFound":
            return
        raise
    context.platform.topics.delete(topic)


def list_topics(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of ARNs."""
    after = ""
    if "NextToken" in request:
        after = decode_token(request["NextToken"], "InvalidParameter", (str,))[0]
    topics = context.platform.topics.page(
        context.account, context.region, after=after, limit=_PAGE + 1
    )
    answer: dict[str, Any] = {"Topics": [{"TopicArn": topic_arn(one)} for one in topics[:_PAGE]]}
    if len(topics) > _PAGE:
        answer["NextToken"] = encode_token([topics[_PAGE - 1].name])
    return answer


def get_topic_attributes(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a topic's attributes."""
    topic = find_topic(context, request["TopicArn"])
    confirmed, waiting = context.platform.topics.counts(topic)
    attributes = {
        "Policy": default_policy(topic),
        "DisplayName": "",
        "Owner": topic.account,
        "TopicArn": topic_arn(topic),
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(waiting),
        "SubscriptionsDeleted": "0",
        "EffectiveDeliveryPolicy": orjson.dumps(effective(topic)).decode(),
    }
    if topic.settings.is_fifo:
        attributes |= {"ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic"}
    return {"Attributes": attributes | topic.attributes}


def set_topic_attributes(context: Context, request: dict[str, Any]) -> None:
    """Change one attribute; without a value it is as if it had never been set."""
    topic = find_topic(context, request["TopicArn"])
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    if name == "FifoTopic":
        raise invalid("AttributeName")
    attributes = {key: text for key, text in topic.attributes.items() if key != name}
    attributes |= checked({name: value}, is_fifo=topic.settings.is_fifo)
    context.platform.topics.update(topic, settings_of(attributes), attributes)


def _check_name(name: str, *, is_fifo: bool) -> None:
    stem = name.removesuffix(_FIFO_SUFFIX)
    if is_fifo and stem == name:
        raise invalid(
            "Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only"
            " uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be"
            " between 1 and 256 characters long."
        )
    if not _NAME.fullmatch(stem if is_fifo else name) or len(name) > 256:
        raise invalid(
            "Topic Name Reason: Topic names must be made up of only uppercase and lowercase ASCII"
            " letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters"
            " long."
        )


def _check_equal(topic: Topic, attributes: dict[str, str], tags: dict[str, str]) -> None:
    for name, value in attributes.items():
        if topic.attributes.get(name) != value:
            raise invalid("Attributes Reason: Topic already exists with different attributes")
    if tags and tags != topic.tags:
        raise invalid("Tags Reason: Topic already exists with different tags")
