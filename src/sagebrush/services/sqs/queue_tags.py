"""Tags of queues."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context
from sagebrush.services.sqs.lookups import find_queue

_MAXIMUM_TAGS = 50


def tag_queue(context: Context, request: dict[str, Any]) -> None:
    """Add tags to a queue, or change their values."""
    queue = find_queue(context, request["QueueUrl"])
    tags = queue.tags | request["Tags"]
    _check_tags(tags)
    context.platform.queues.tag(queue, tags)


def untag_queue(context: Context, request: dict[str, Any]) -> None:
    """Remove tags from a queue."""
    queue = find_queue(context, request["QueueUrl"])
    gone = set(request["TagKeys"])
    kept = {key: value for key, value in queue.tags.items() if key not in gone}
    context.platform.queues.tag(queue, kept)


def list_queue_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a queue's tags."""
    tags = find_queue(context, request["QueueUrl"]).tags
    return {"Tags": tags} if tags else {}


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > _MAXIMUM_TAGS:
        raise ApiError("InvalidParameterValue", f"Too many tags added for queue. {len(tags)}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.startswith("aws:"):
            raise ApiError("InvalidParameterValue", f"Tag {key} is not valid.")
