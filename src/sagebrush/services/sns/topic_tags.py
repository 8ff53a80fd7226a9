"""Tags of topics."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.topics import Topic
from sagebrush.services.platform import Context
from sagebrush.services.sns.lookups import find_topic

_MAXIMUM_TAGS = 50


def tag_resource(context: Context, request: dict[str, Any]) -> None:
    """Add tags to a topic, or change their values."""
    topic = _find(context, request)
    tags = topic.tags | _as_map(request["Tags"])
    if len(tags) > _MAXIMUM_TAGS:
        raise ApiError(
            "TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded"
        )
    context.platform.topics.tag(topic, tags)


def untag_resource(context: Context, request: dict[str, Any]) -> None:
    """Remove tags from a topic."""
    topic = _find(context, request)
    gone = set(request["TagKeys"])
    context.platform.topics.tag(topic, {k: v for k, v in topic.tags.items() if k not in gone})


def list_tags_for_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a topic's tags."""
    tags = _find(context, request).tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _find(context: Context, request: dict[str, Any]) -> Topic:
    try:
        return find_topic(context, request["ResourceArn"], member="ResourceArn")
    except ApiError as error:
        if error.code == "NotFound":
            raise ApiError("ResourceNotFound", "Resource does not exist") from None
        raise


def _as_map(tags: list[dict[str, str]]) -> dict[str, str]:
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) != len(tags):
        raise ApiError("InvalidParameter", "Invalid parameter: Duplicated keys are not allowed.")
    return found
