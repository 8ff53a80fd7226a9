"""Attributes of queues: what may be set to what, and what the queues engine makes of it.

Names, ranges and defaults: Amazon SQS API Reference, `SetQueueAttributes` and `CreateQueue`.
"""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import QueueSettings
from sagebrush.services.platform import Context
from sagebrush.services.sqs.lookups import queue_of_arn

_RANGES = {
    "VisibilityTimeout": (0, 43_200),
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_CHOICES = {
    "FifoQueue": ("true", "false"),
    "ContentBasedDeduplication": ("true", "false"),
    "SqsManagedSseEnabled": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
}
_FIFO_ONLY = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
_DOCUMENTS = ("Policy", "RedrivePolicy", "RedriveAllowPolicy")
_FREE_TEXT = ("KmsMasterKeyId",)
_MAXIMUM_RECEIVES = 1_000

# Those that can only be read.
_COMPUTED = (
    *("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"),
    *("ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "LastModifiedTimestamp"),
    "QueueArn",
)
NAMES = frozenset({"All", *_RANGES, *_CHOICES, *_DOCUMENTS, *_FREE_TEXT, *_COMPUTED})

DEFAULTS = {
    "VisibilityTimeout": "30",
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
}
_FIFO_DEFAULTS = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}


def complete(attributes: dict[str, str]) -> dict[str, str]:
    """Return attributes with the defaults of those that are not set."""
    fifo = _FIFO_DEFAULTS if attributes.get("FifoQueue") == "true" else {}
    whole = DEFAULTS | fifo | attributes
    if "KmsMasterKeyId" in attributes and "SqsManagedSseEnabled" not in attributes:
        whole["SqsManagedSseEnabled"] = "false"
        whole.setdefault("KmsDataKeyReusePeriodSeconds", "300")
    return whole


def checked(context: Context, given: dict[str, str], *, is_fifo: bool) -> dict[str, str]:
    """Return attributes as they are kept: numbers without leading zeros, empty documents left out.

    Raises:
        ApiError: InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue.
    """
    kept = {}
    for name, value in given.items():
        if name in _FIFO_ONLY and not is_fifo:
            raise ApiError(
                "InvalidAttributeName",
                f"You can specify the {name} only when FifoQueue is set to true.",
            )
        text = _checked(context, name, value, is_fifo=is_fifo)
        if text:
            kept[name] = text
    return kept


def _checked(context: Context, name: str, value: str, *, is_fifo: bool) -> str:
    if name in _RANGES:
        low, high = _RANGES[name]
        if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
            raise invalid_value(name)
        return str(int(value))
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise invalid_value(name)
        return value
    if name in _FREE_TEXT:
        return value
    if name not in _DOCUMENTS:
        raise unknown(name)
    document = _document(name, value)
    if name == "RedrivePolicy" and document:
        _check_redrive(context, value, document, is_fifo=is_fifo)
    return value


def _document(name: str, value: str) -> dict[str, Any]:
    if not value:
        return {}
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise invalid_value(name) from None
    if not isinstance(document, dict):
        raise invalid_value(name)
    return document


def _check_redrive(
    context: Context, value: str, document: dict[str, Any], *, is_fifo: bool
) -> None:
    def refuse(reason: str) -> ApiError:
        return ApiError(
            "InvalidParameterValue",
            f"Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}",
        )

    missing = {"deadLetterTargetArn", "maxReceiveCount"} - document.keys()
    if missing:
        names = ", ".join(sorted(missing))
        raise refuse(f"Redrive policy does not contain mandatory attribute: {names}.")
    try:
        receives = int(document["maxReceiveCount"])
    except (TypeError, ValueError):
        receives = 0
    if not 1 <= receives <= _MAXIMUM_RECEIVES:
        raise refuse(
            f"Invalid value for maxReceiveCount: it must be between 1 and {_MAXIMUM_RECEIVES}."
        )
    target = queue_of_arn(context, str(document["deadLetterTargetArn"]))
    if target is None:
        raise refuse("Dead letter target does not exist.")
    if target.settings.is_fifo != is_fifo:
        raise refuse("Dead-letter queue must be same type of queue as the source.")


def settings_of(attributes: dict[str, str]) -> QueueSettings:
    """Return what the engine acts on, of attributes that were checked."""
    whole = complete(attributes)
    redrive = orjson.loads(whole.get("RedrivePolicy") or "{}")
    target = redrive.get("deadLetterTargetArn")
    return QueueSettings(
        visibility_s=int(whole["VisibilityTimeout"]),
        delay_s=int(whole["DelaySeconds"]),
        retention_s=int(whole["MessageRetentionPeriod"]),
        wait_s=int(whole["ReceiveMessageWaitTimeSeconds"]),
        maximum_bytes=int(whole["MaximumMessageSize"]),
        is_fifo=whole.get("FifoQueue") == "true",
        deduplicates_content=whole.get("ContentBasedDeduplication") == "true",
        deduplicates_in_groups=whole.get("DeduplicationScope") == "messageGroup",
        dead_letters_to=None if target is None else str(target).rpartition(":")[2],
        maximum_receives=int(redrive.get("maxReceiveCount", 0)),
    )


def unknown(name: str) -> ApiError:
    """Return the error for an attribute that there is not."""
    return ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_value(name: str) -> ApiError:
    """Return the error for an attribute that cannot have the value given."""
    return ApiError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
