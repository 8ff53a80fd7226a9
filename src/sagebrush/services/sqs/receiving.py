"""Receiving messages, keeping hold of them, deleting them."""

from __future__ import annotations

import asyncio
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import (
    Message,
    NoSuchMessageError,
    NotInFlightError,
    Queue,
    ReceiptError,
    StaleReceiptError,
    VisibilityLimitError,
)
from sagebrush.services.platform import Context
from sagebrush.services.sqs import message_attributes
from sagebrush.services.sqs.batches import carry_out
from sagebrush.services.sqs.lookups import find_queue
from sagebrush.services.sqs.queue_attributes import NAMES, unknown
from sagebrush.services.sqs.sending import _sequence_number

_MAXIMUM_VISIBILITY_S = 43_200
_MAXIMUM_WAIT_S = 20
_MAXIMUM_MESSAGES = 10
_SYSTEM_NAMES = frozenset(
    {
        *("All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "SequenceNumber"),
        *("ApproximateFirstReceiveTimestamp", "MessageDeduplicationId", "MessageGroupId"),
        *("AWSTraceHeader", "DeadLetterQueueSourceArn"),
    }
)


async def receive_message(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer messages, waiting for the first of them for as long as asked."""
    limit = request.get("MaxNumberOfMessages", 1)
    _check_range("MaxNumberOfMessages", limit, 1, _MAXIMUM_MESSAGES)
    if "VisibilityTimeout" in request:
        _check_range("VisibilityTimeout", request["VisibilityTimeout"], 0, _MAXIMUM_VISIBILITY_S)
    if "WaitTimeSeconds" in request:
        _check_range("WaitTimeSeconds", request["WaitTimeSeconds"], 0, _MAXIMUM_WAIT_S)
    for name in request.get("AttributeNames", ()):
        if name not in _SYSTEM_NAMES and name not in NAMES:
            raise unknown(name)
    loop = asyncio.get_running_loop()
    queues = context.platform.queues
    begun = loop.time()
    while True:
        with context.db.transaction():
            queue = find_queue(context, request["QueueUrl"])
            messages = queues.receive(queue, limit, request.get("VisibilityTimeout"))
        left_s = begun + request.get("WaitTimeSeconds", queue.settings.wait_s) - loop.time()
        if messages or not await queues.arrival(queue, left_s):
            break
    if not messages:
        return {}
    return {"Messages": [_shown(context, message, request) for message in messages]}


def delete_message(context: Context, request: dict[str, Any]) -> None:
    """Delete a message by the receipt of its last receiver."""
    _delete(context, find_queue(context, request["QueueUrl"]), request)


def delete_message_batch(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete up to ten messages."""
    queue = find_queue(context, request["QueueUrl"])
    return carry_out(
        request["Entries"],
        lambda entry: _delete(context, queue, entry),
        "DeleteMessageBatchRequestEntry",
    )


def change_message_visibility(context: Context, request: dict[str, Any]) -> None:
    """Hold a message for longer, or let go of it."""
    _hold(context, find_queue(context, request["QueueUrl"]), request)


def change_message_visibility_batch(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Change how long up to ten messages are held."""
    queue = find_queue(context, request["QueueUrl"])
    return carry_out(
        request["Entries"],
        lambda entry: _hold(context, queue, entry),
        "ChangeMessageVisibilityBatchRequestEntry",
    )


def _delete(context: Context, queue: Queue, request: dict[str, Any]) -> dict[str, Any]:
    receipt = request["ReceiptHandle"]
    try:
        context.platform.queues.delete_message(queue, receipt)
    except ReceiptError:
        raise _foreign(receipt) from None
    except StaleReceiptError:
        raise _unfit(receipt, "The receipt handle has expired.") from None
    return {}


def _hold(context: Context, queue: Queue, request: dict[str, Any]) -> dict[str, Any]:
    receipt = request["ReceiptHandle"]
    if "VisibilityTimeout" not in request:
        raise ApiError(
            "MissingParameter", "The request must contain the parameter VisibilityTimeout."
        )
    held_s = request["VisibilityTimeout"]
    _check_range("VisibilityTimeout", held_s, 0, _MAXIMUM_VISIBILITY_S)
    try:
        context.platform.queues.hold(queue, receipt, held_s)
    except ReceiptError:
        raise _foreign(receipt) from None
    except NoSuchMessageError:
        reason = "Message does not exist or is not available for visibility timeout change."
        raise _unfit(receipt, reason) from None
    except NotInFlightError:
        raise ApiError("MessageNotInflight", f"The message {receipt} is not in flight.") from None
    except VisibilityLimitError:
        raise ApiError(
            "InvalidParameterValue",
            f"Value {held_s} for parameter VisibilityTimeout is invalid. Reason: Total"
            f" VisibilityTimeout for the message is beyond the limit [{_MAXIMUM_VISIBILITY_S}"
            " seconds].",
        ) from None
    return {}


def _foreign(receipt: str) -> ApiError:
    return ApiError(
        "ReceiptHandleIsInvalid",
        f'The input receipt handle "{receipt}" is not a valid receipt handle.',
    )


def _unfit(receipt: str, reason: str) -> ApiError:
    return ApiError(
        "InvalidParameterValue",
        f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: {reason}",
    )


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ApiError(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be >= {low} and <="
            f" {high}, if provided.",
        )


def _shown(context: Context, message: Message, request: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": message_attributes.md5_of_text(message.body),
        "Body": message.body,
    }
    asked = {*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())}
    system = _system(context, message)
    if "All" not in asked:
        system = {name: value for name, value in system.items() if name in asked}
    if system:
        shown["Attributes"] = system
    attributes = {
        name: one
        for name, one in message.attributes.items()
        if _is_asked(name, request.get("MessageAttributeNames", []))
    }
    if attributes:
        shown["MessageAttributes"] = message_attributes.shown(attributes)
        shown["MD5OfMessageAttributes"] = message_attributes.md5_of(attributes)
    return shown


def _system(context: Context, message: Message) -> dict[str, str]:
    system = dict(message.system)
    if (source := system.pop("source", None)) is not None:
        system["DeadLetterQueueSourceArn"] = context.arn("sqs", source)
    system |= {
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received * 1000)),
    }
    if message.group_id is not None:
        system["MessageGroupId"] = message.group_id
    if message.deduplication_id is not None:
        system["MessageDeduplicationId"] = message.deduplication_id
        system["SequenceNumber"] = _sequence_number(message.number)
    return system


def _is_asked(name: str, asked: list[str]) -> bool:
    """Whether an attribute is named, by itself, by `All`, or by a prefix `name.*`."""
    return any(
        one in ("All", ".*", name) or (one.endswith(".*") and name.startswith(one[:-2]))
        for one in asked
    )
