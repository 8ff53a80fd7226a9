"""Tags of scalable targets."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.services.application_autoscaling.records import Target, save_target, target_of
from sagebrush.services.application_autoscaling.tag_maps import check_tags
from sagebrush.services.platform import Context


def tag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Write tags of a target."""
    target = _target(context, request)
    tags = target.tags | request["Tags"]
    check_tags(tags, target.arn)
    target.tags = tags
    save_target(context.db, target)
    return {}


def untag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove tags of a target."""
    target = _target(context, request)
    target.tags = {k: v for k, v in target.tags.items() if k not in request["TagKeys"]}
    save_target(context.db, target)
    return {}


def list_tags_for_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the tags of a target."""
    return {"Tags": _target(context, request).tags}


def _target(context: Context, request: dict[str, Any]) -> Target:
    given = request["ResourceARN"]
    arn = Arn.parse(given)
    if arn is not None and (arn.account, arn.region) == (context.account, context.region):
        row = context.db.one(
            "SELECT * FROM autoscaling_targets WHERE account = ? AND region = ? AND token = ?",
            (context.account, context.region, arn.resource.rpartition("/")[2]),
        )
        if row is not None:
            return target_of(row)
    raise ApiError(
        "ResourceNotFoundException", f"No scalable target found for {given}", ResourceName=given
    )
