"""Sending messages."""

from __future__ import annotations

import re
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import NewMessage, Queue
from sagebrush.services.platform import Context
from sagebrush.services.sqs import message_attributes
from sagebrush.services.sqs.batches import carry_out
from sagebrush.services.sqs.lookups import find_queue

# Twenty digits, as AWS's sequence numbers have.
_FIRST_SEQUENCE_NUMBER = 18_800_000_000_000_000_000
_MAXIMUM_BATCH_BYTES = 1_048_576
_MAXIMUM_DELAY_S = 900
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOKEN = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


def send_message(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store a message and answer its identifier and checksums."""
    return _send(context, find_queue(context, request["QueueUrl"]), request)


def send_message_batch(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store up to ten messages."""
    queue = find_queue(context, request["QueueUrl"])
    entries = request["Entries"]
    size_bytes = sum(len(entry["MessageBody"].encode()) for entry in entries)
    if size_bytes > _MAXIMUM_BATCH_BYTES:
        raise ApiError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {_MAXIMUM_BATCH_BYTES} bytes. You have sent"
            f" {size_bytes} bytes.",
        )
    return carry_out(
        entries, lambda entry: _send(context, queue, entry), "SendMessageBatchRequestEntry"
    )


def _send(context: Context, queue: Queue, request: dict[str, Any]) -> dict[str, Any]:
    body = request["MessageBody"]
    attributes = message_attributes.kept(request.get("MessageAttributes", {}))
    traced = message_attributes.kept(request.get("MessageSystemAttributes", {}))
    _check_body(queue, body, attributes)
    _check_fifo(queue, request)
    system = {"SenderId": context.principal.user_id}
    system |= {name: one["value"] for name, one in traced.items()}
    sent = context.platform.queues.send(
        queue,
        NewMessage(
            body=body,
            attributes=attributes,
            system=system,
            delay_s=_checked_delay(queue, request.get("DelaySeconds")),
            group_id=request.get("MessageGroupId"),
            deduplication_id=request.get("MessageDeduplicationId"),
        ),
    )
    answer = {
        "MessageId": sent.message_id,
        "MD5OfMessageBody": message_attributes.md5_of_text(body),
    }
    if attributes:
        answer["MD5OfMessageAttributes"] = message_attributes.md5_of(attributes)
    if traced:
        answer["MD5OfMessageSystemAttributes"] = message_attributes.md5_of(traced)
    if queue.settings.is_fifo:
        answer["SequenceNumber"] = _sequence_number(sent.number)
    return answer


def _sequence_number(number: int) -> str:
    return str(_FIRST_SEQUENCE_NUMBER + number)


def _check_body(queue: Queue, body: str, attributes: dict[str, dict[str, str]]) -> None:
    if not body:
        raise ApiError("MissingParameter", "The request must contain the parameter MessageBody.")
    if _UNFIT.search(body):
        raise ApiError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to"
            " #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    limit = queue.settings.maximum_bytes
    if len(body.encode()) + message_attributes.size_bytes(attributes) > limit:
        raise _invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than"
            f" {limit} bytes."
        )


def _check_fifo(queue: Queue, request: dict[str, Any]) -> None:
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = request.get(name)
        if value is not None and not _TOKEN.fullmatch(value):
            raise _invalid(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include"
                " alphanumeric and punctuation characters. 1 to 128 in length."
            )
    if not queue.settings.is_fifo:
        if "MessageDeduplicationId" in request:
            raise _invalid(
                f"Value {request['MessageDeduplicationId']} for parameter MessageDeduplicationId"
                " is invalid. Reason: The request includes a parameter that is not valid for this"
                " queue type."
            )
        return
    if "MessageGroupId" not in request:
        raise ApiError("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if "MessageDeduplicationId" not in request and not queue.settings.deduplicates_content:
        raise _invalid(
            "The queue should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )


def _checked_delay(queue: Queue, delay_s: int | None) -> int | None:
    if delay_s is None:
        return None
    if not 0 <= delay_s <= _MAXIMUM_DELAY_S:
        raise _invalid(
            f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be"
            f" >= 0 and <= {_MAXIMUM_DELAY_S}."
        )
    if queue.settings.is_fifo and delay_s:
        raise _invalid(
            f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: The request include"
            " parameter that is not valid for this queue type."
        )
    return None if queue.settings.is_fifo else delay_s


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
