"""Queues: made, found, changed, emptied, deleted."""

from __future__ import annotations

import re
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.queues import NoSuchQueueError, Queue
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sqs.lookups import (
    find_queue,
    named_queue,
    queue_arn,
    queue_url,
)
from sagebrush.services.sqs.queue_attributes import (
    NAMES,
    checked,
    complete,
    invalid_value,
    settings_of,
    unknown,
)
from sagebrush.services.sqs.queue_tags import _check_tags

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FIFO_SUFFIX = ".fifo"
_MAXIMUM_PAGE = 1_000
_PURGE_INTERVAL_S = 60.0


def create_queue(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a queue, or answer the one that is there with the same attributes."""
    name, given = request["QueueName"], dict(request.get("Attributes", {}))
    is_fifo = _checked_name(name, given)
    attributes = checked(context, given, is_fifo=is_fifo)
    tags = dict(request.get("tags", {}))
    _check_tags(tags)
    try:
        queue = context.platform.queues.find(context.account, context.region, name)
    except NoSuchQueueError:
        queue = context.platform.queues.create(
            context.account,
            context.region,
            name,
            settings_of(attributes),
            attributes=attributes,
            tags=tags,
        )
    else:
        _check_equal(queue, attributes)
    return {"QueueUrl": queue_url(context, queue)}


def get_queue_url(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the URL of a queue."""
    account = request.get("QueueOwnerAWSAccountId", context.account)
    return {"QueueUrl": queue_url(context, named_queue(context, account, request["QueueName"]))}


def list_queues(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of URLs by name; a token to go on comes only where MaxResults is given."""
    limit = request.get("MaxResults", _MAXIMUM_PAGE)
    if not 1 <= limit <= _MAXIMUM_PAGE:
        raise ApiError(
            "InvalidParameterValue",
            f"Value {limit} for parameter MaxResults is invalid. Reason: MaxResults must be an"
            f" integer between 1 and {_MAXIMUM_PAGE}.",
        )
    after = ""
    if "NextToken" in request:
        after = decode_token(request["NextToken"], "InvalidParameterValue", (str,))[0]
    queues = context.platform.queues.page(
        context.account,
        context.region,
        prefix=request.get("QueueNamePrefix", ""),
        after=after,
        limit=limit + 1,
    )
    answer: dict[str, Any] = {}
    if queues:
        answer["QueueUrls"] = [queue_url(context, queue) for queue in queues[:limit]]
    if len(queues) > limit and "MaxResults" in request:
        answer["NextToken"] = encode_token([queues[limit - 1].name])
    return answer


def delete_queue(context: Context, request: dict[str, Any]) -> None:
    """Remove a queue with its messages."""
    context.platform.queues.delete(find_queue(context, request["QueueUrl"]))


def purge_queue(context: Context, request: dict[str, Any]) -> None:
    """Delete a queue's messages, at most once a minute."""
    queue = find_queue(context, request["QueueUrl"])
    if context.now - queue.purged < _PURGE_INTERVAL_S:
        raise ApiError(
            "PurgeQueueInProgress",
            f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.",
            status=403,
        )
    context.platform.queues.purge(queue)


def get_queue_attributes(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the attributes that are asked for and that the queue has."""
    queue = find_queue(context, request["QueueUrl"])
    asked = request.get("AttributeNames", [])
    if not asked:
        return {}
    for name in asked:
        if name not in NAMES:
            raise unknown(name)
    shown = _shown(context, queue)
    if "All" not in asked:
        shown = {name: shown[name] for name in asked if name in shown}
    return {"Attributes": shown} if shown else {}


def set_queue_attributes(context: Context, request: dict[str, Any]) -> None:
    """Change some attributes; an empty document removes it."""
    queue = find_queue(context, request["QueueUrl"])
    given = dict(request["Attributes"])
    if "FifoQueue" in given and (given["FifoQueue"] == "true") != queue.settings.is_fifo:
        raise ApiError(
            "InvalidAttributeName", "You can not change the FifoQueue attribute of a queue."
        )
    changed = checked(context, given, is_fifo=queue.settings.is_fifo)
    kept = {name: value for name, value in queue.attributes.items() if name not in given}
    attributes = kept | changed
    context.platform.queues.update(queue, settings_of(attributes), attributes)


def _checked_name(name: str, attributes: dict[str, str]) -> bool:
    """Return whether a new queue is a FIFO queue; raises ApiError for an impossible name."""
    is_fifo = attributes.get("FifoQueue") == "true"
    stem = name.removesuffix(_FIFO_SUFFIX) if is_fifo else name
    if is_fifo and stem == name:
        raise ApiError(
            "InvalidParameterValue",
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or"
            " underscores, must end with .fifo suffix and be 1 to 80 in length",
        )
    if not _NAME.fullmatch(stem) or len(name) > 80:
        raise ApiError(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )
    if "FifoQueue" in attributes and not is_fifo:
        # Standard queues do not name the attribute: AWS refuses "false" as well.
        raise (
            invalid_value("FifoQueue")
            if attributes["FifoQueue"] != "false"
            else ApiError("InvalidAttributeName", "Unknown Attribute FifoQueue.")
        )
    return is_fifo


def _check_equal(queue: Queue, attributes: dict[str, str]) -> None:
    """Refuse another value of an attribute that is given; what is not given may be anything."""
    existing = complete(queue.attributes)
    for name, value in attributes.items():
        if existing.get(name) != value:
            raise ApiError(
                "QueueNameExists",
                "A queue already exists with the same name and a different value for attribute"
                f" {name}",
            )


def _shown(context: Context, queue: Queue) -> dict[str, str]:
    counts = context.platform.queues.counts(queue)
    return complete(queue.attributes) | {
        "QueueArn": queue_arn(context, queue),
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        "CreatedTimestamp": str(int(queue.created)),
        "LastModifiedTimestamp": str(int(queue.modified)),
    }
