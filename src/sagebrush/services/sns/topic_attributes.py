"""Attributes of topics: what may be set to what.

Names and values: Amazon SNS API Reference, `SetTopicAttributes`.
"""

from __future__ import annotations

import re

import orjson

from sagebrush.engines.topics import Topic, TopicSettings
from sagebrush.services.sns.delivery_policies import check_topic_policy
from sagebrush.services.sns.lookups import invalid, topic_arn

_CHOICES = {
    "FifoTopic": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "FifoThroughputScope": ("Topic", "MessageGroup"),
    "SignatureVersion": ("1", "2"),
    "TracingConfig": ("PassThrough", "Active"),
}
_FIFO_ONLY = ("ContentBasedDeduplication", "FifoThroughputScope")
_FEEDBACK = re.compile(
    r"(HTTP|Firehose|Lambda|Application|SQS)(Success|Failure)Feedback(RoleArn|SampleRate)"
)
_FREE_TEXT = ("DisplayName", "KmsMasterKeyId")
_ACTIONS = (
    *("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission"),
    *("DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish"),
)


def checked(given: dict[str, str], *, is_fifo: bool) -> dict[str, str]:
    """Return the attributes to keep; an empty policy is left out.

    Raises:
        ApiError: InvalidParameter.
    """
    kept = {}
    for name, value in given.items():
        if name in _FIFO_ONLY and not is_fifo:
            raise invalid(f"Attributes Reason: {name} is only for FIFO topics")
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                raise invalid(f"Attributes Reason: {name}: Invalid value [{value}]")
        elif name in ("Policy", "DeliveryPolicy"):
            _check_document(name, value)
            if not value:
                continue
        elif name not in _FREE_TEXT and not _FEEDBACK.fullmatch(name):
            raise invalid("AttributeName")
        if name == "DisplayName" and len(value) > 100:
            raise invalid("DisplayName Reason: DisplayName must be at most 100 characters long")
        kept[name] = value
    return kept


def _check_document(name: str, value: str) -> None:
    if not value:
        return
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise invalid(f"{name} Reason: failed to parse JSON.")
    if name == "DeliveryPolicy":
        check_topic_policy(document)


def settings_of(attributes: dict[str, str]) -> TopicSettings:
    """Return what the engine acts on."""
    return TopicSettings(
        is_fifo=attributes.get("FifoTopic") == "true",
        deduplicates_content=attributes.get("ContentBasedDeduplication") == "true",
        deduplicates_in_groups=attributes.get("FifoThroughputScope") == "MessageGroup",
    )


def default_policy(topic: Topic) -> str:
    """Return the policy of a topic that was given none: its owner may do everything."""
    return orjson.dumps(
        {
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [
                {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [f"SNS:{action}" for action in _ACTIONS],
                    "Resource": topic_arn(topic),
                    "Condition": {"StringEquals": {"AWS:SourceOwner": topic.account}},
                }
            ],
        }
    ).decode()
