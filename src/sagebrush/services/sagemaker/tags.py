"""AddTags, ListTags, DeleteTags: for every kind of resource."""

from __future__ import annotations

from typing import Any

from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import tagging
from sagebrush.services.sagemaker.resources import require_resource

_PAGE = 100


def add_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add or replace tags; answers with all tags of the resource."""
    arn = request["ResourceArn"]
    require_resource(context, arn)
    tagging.add_tags(context.db, arn, request["Tags"])
    return {"Tags": tagging.tags_of(context.db, arn)}


def list_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of a resource's tags."""
    arn = request["ResourceArn"]
    require_resource(context, arn)
    tags = tagging.tags_of(context.db, arn)
    if token := request.get("NextToken"):
        position = decode_token(token)
        keys = [tag["Key"] for tag in tags]
        tags = tags[keys.index(position[0]) + 1 :] if position and position[0] in keys else []
    limit = request.get("MaxResults", _PAGE)
    answer: dict[str, Any] = {"Tags": tags[:limit]}
    if len(tags) > limit:
        answer["NextToken"] = encode_token([tags[limit - 1]["Key"]])
    return answer


def delete_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove tags by key."""
    arn = request["ResourceArn"]
    require_resource(context, arn)
    tagging.delete_tags(context.db, arn, request["TagKeys"])
    return {}
