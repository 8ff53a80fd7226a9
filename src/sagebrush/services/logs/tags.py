"""Tags of log groups, by ARN and by the older operations' name."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.logs import GroupRecord
from sagebrush.services.logs.lookups import find_group, group_name
from sagebrush.services.platform import Context


def tag_resource(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a group."""
    _tag(context, find_group(context, group_name(request["resourceArn"])), request["tags"])


def untag_resource(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a group."""
    _untag(context, find_group(context, group_name(request["resourceArn"])), request["tagKeys"])


def list_tags_for_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the tags of a group."""
    group = find_group(context, group_name(request["resourceArn"]))
    return {"tags": group.document.get("tags", {})}


def tag_log_group(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a group."""
    _tag(context, find_group(context, request["logGroupName"]), request["tags"])


def untag_log_group(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a group."""
    _untag(context, find_group(context, request["logGroupName"]), request["tags"])


def list_tags_log_group(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the tags of a group."""
    return {"tags": find_group(context, request["logGroupName"]).document.get("tags", {})}


def _tag(context: Context, group: GroupRecord, tags: dict[str, str]) -> None:
    _set(context, group, group.document.get("tags", {}) | tags)


def _untag(context: Context, group: GroupRecord, keys: list[str]) -> None:
    present = group.document.get("tags", {})
    _set(context, group, {k: v for k, v in present.items() if k not in keys})


def _set(context: Context, group: GroupRecord, tags: dict[str, str]) -> None:
    context.platform.logs.update_group(
        group, retention_days=group.retention_days, document=group.document | {"tags": tags}
    )
