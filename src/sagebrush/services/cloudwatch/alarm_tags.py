"""Tags of alarms, the only CloudWatch resources here that have any."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.engines.alarms.records import Key
from sagebrush.services.platform import Context

_MAX_TAGS = 50


def tag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add tags to an alarm; those of the same key are replaced."""
    key = _key(context, request["ResourceARN"])
    given = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    if any(name.lower().startswith("aws:") for name in given):
        raise ApiError("InvalidParameterValue", "Tag keys that begin with aws: are reserved.")
    store = context.platform.alarms.store
    tags = store.tags(key) | given
    if len(tags) > _MAX_TAGS:
        raise ApiError("InvalidParameterValue", f"An alarm can have at most {_MAX_TAGS} tags.")
    store.write_tags(key, tags)
    return {}


def untag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove tags of an alarm by key."""
    key = _key(context, request["ResourceARN"])
    store = context.platform.alarms.store
    tags = store.tags(key)
    kept = {name: value for name, value in tags.items() if name not in request["TagKeys"]}
    store.write_tags(key, kept)
    return {}


def list_tags_for_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the tags of an alarm."""
    tags = context.platform.alarms.store.tags(_key(context, request["ResourceARN"]))
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _key(context: Context, text: str) -> Key:
    arn = Arn.parse(text)
    if arn is None or arn.service != "cloudwatch":
        raise ApiError("InvalidParameterValue", f"The value {text} is not a valid ARN.")
    kind, _, name = arn.resource.partition(":")
    key = Key(arn.account, arn.region, name)
    is_own = arn.account == context.account and arn.region == context.region
    if kind != "alarm" or not is_own or context.platform.alarms.store.find(key) is None:
        raise ApiError(
            "ResourceNotFoundException",
            f"The resource {text} does not exist.",
            ResourceType="alarm",
            ResourceId=name,
        )
    return key
