"""Publishing messages to topics."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.base.identifiers import request_id
from sagebrush.engines.topics import Notice, Topic
from sagebrush.services.platform import Context
from sagebrush.services.sns.envelopes import sequence_number
from sagebrush.services.sns.lookups import find_topic, invalid

_MAXIMUM_BYTES = 262_144
_MAXIMUM_ENTRIES = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_KINDS = re.compile(r"(String|Number|Binary)(\..+)?")
_TOKEN = re.compile(r"[!-~]{1,128}")


def publish(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send a message to a topic's subscribers."""
    if "PhoneNumber" in request:
        raise invalid("PhoneNumber Reason: Sagebrush does not send text messages")
    arn = request.get("TopicArn") or request.get("TargetArn")
    if arn is None:
        raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
    return _publish(context, find_topic(context, arn), request)


def publish_batch(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send up to ten messages, each of which succeeds or fails by itself."""
    topic = find_topic(context, request["TopicArn"])
    entries = request["PublishBatchRequestEntries"]
    _check_batch(entries)
    successful, failed = [], []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **_publish(context, topic, entry)})
        except ApiError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "Code": error.code,
                    "Message": error.message,
                    "SenderFault": True,
                }
            )
    return {"Successful": successful, "Failed": failed}


def _publish(context: Context, topic: Topic, request: dict[str, Any]) -> dict[str, Any]:
    message, subject = request["Message"], request.get("Subject")
    if not message:
        raise invalid("Empty message")
    if subject is not None and not _SUBJECT.fullmatch(subject):
        raise invalid("Subject")
    attributes = _attributes(request.get("MessageAttributes", {}))
    size_bytes = len(message.encode()) + sum(
        len(name.encode()) + len(one["type"]) + len(one["value"].encode())
        for name, one in attributes.items()
    )
    if size_bytes > _MAXIMUM_BYTES:
        raise invalid("Message too long")
    _check_fifo(topic, request)
    bodies = _bodies(message) if request.get("MessageStructure") == "json" else {}
    published = context.platform.topics.send(
        topic,
        Notice(
            message_id=request_id(),
            body=bodies.get("default", message),
            sent=context.now,
            subject=subject,
            attributes=attributes,
            bodies=bodies,
            group_id=request.get("MessageGroupId"),
            deduplication_id=request.get("MessageDeduplicationId"),
        ),
    )
    answer = {"MessageId": published.message_id}
    if topic.settings.is_fifo:
        answer["SequenceNumber"] = sequence_number(published.number)
    return answer


def _bodies(message: str) -> dict[str, str]:
    """Return the text for each protocol of a message with `MessageStructure` json."""
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise invalid("Message Structure - JSON message body failed to parse")
    if not isinstance(document.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")
    return {name: text for name, text in document.items() if isinstance(text, str)}


def _attributes(given: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {name: _attribute(name, value) for name, value in given.items()}


def _attribute(name: str, value: dict[str, Any]) -> dict[str, str]:
    kind = value["DataType"]
    if not _KINDS.fullmatch(kind):
        raise _unfit(
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String."
        )
    if kind.startswith("Binary"):
        binary = value.get("BinaryValue")
        if not binary:
            raise _empty(name, kind)
        return {"type": kind, "value": b64encode(binary).decode()}
    text = value.get("StringValue")
    if not text:
        raise _empty(name, kind)
    if kind.startswith("Number") and not _NUMBER.fullmatch(text):
        raise _unfit(f"Could not cast message attribute '{name}' value to number.")
    return {"type": kind, "value": text}


def _check_fifo(topic: Topic, request: dict[str, Any]) -> None:
    group, deduplication = (
        request.get("MessageGroupId"),
        request.get("MessageDeduplicationId"),
    )
    if not topic.settings.is_fifo:
        if deduplication is not None:
            raise invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId"
                " parameter that is not valid for this topic type"
            )
        return
    if group is None:
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    for name, text in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if text is not None and not _TOKEN.fullmatch(text):
            raise invalid(f"{name} Reason: 1 to 128 alphanumeric and punctuation characters")
    if deduplication is None and not topic.settings.deduplicates_content:
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )


def _check_batch(entries: list[dict[str, Any]]) -> None:
    if not entries:
        raise ApiError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > _MAXIMUM_ENTRIES:
        raise ApiError(
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.",
        )
    ids = [entry["Id"] for entry in entries]
    if not all(map(_ID.fullmatch, ids)):
        raise ApiError(
            "InvalidBatchEntryId",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        )
    if len(set(ids)) != len(ids):
        raise ApiError(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        )
    if sum(len(entry["Message"].encode()) for entry in entries) > _MAXIMUM_BYTES:
        raise ApiError(
            "BatchRequestTooLong",
            "The length of all the batch messages put together is more than the limit.",
        )


def _empty(name: str, kind: str) -> ApiError:
    return _unfit(
        f"The message attribute '{name}' must contain non-empty message attribute value for"
        f" message attribute type '{kind}'."
    )


def _unfit(message: str) -> ApiError:
    return ApiError("ParameterValueInvalid", message)
