"""Log groups."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupExists, GroupRecord
from sagebrush.services.logs.lookups import find_group, group_arn, group_name
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_LIMIT = 50
_SHORT_RETENTIONS_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731)
_LONG_RETENTIONS_DAYS = (1096, 1827, 2192, 2557, 2922, 3288, 3653)
_RETENTIONS_DAYS = frozenset((*_SHORT_RETENTIONS_DAYS, *_LONG_RETENTIONS_DAYS))


def create_log_group(context: Context, request: dict[str, Any]) -> None:
    """Make a group that keeps its events for ever."""
    document = {
        "tags": request.get("tags", {}),
        "kmsKeyId": request.get("kmsKeyId"),
        "class": request.get("logGroupClass", "STANDARD"),
        "deletionProtection": request.get("deletionProtectionEnabled", False),
    }
    try:
        context.platform.logs.create_group(
            context.account, context.region, request["logGroupName"], document=document
        )
    except GroupExists:
        raise ApiError(
            "ResourceAlreadyExistsException", "The specified log group already exists"
        ) from None


def delete_log_group(context: Context, request: dict[str, Any]) -> None:
    """Remove a group with everything in it, unless it is protected."""
    group = find_group(context, request["logGroupName"])
    if group.document.get("deletionProtection"):
        raise ApiError(
            "ValidationException",
            "The log group has deletion protection enabled and cannot be deleted.",
        )
    context.platform.logs.delete_group(context.account, context.region, group.name)


def describe_log_groups(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of groups by name."""
    if "logGroupNamePrefix" in request and "logGroupNamePattern" in request:
        raise ApiError(
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        )
    if "logGroupIdentifiers" in request:
        names = sorted({group_name(text) for text in request["logGroupIdentifiers"]})
        found = [find_group(context, name) for name in names]
        return {"logGroups": [_shape(context, group) for group in found]}
    groups, token = _page(context, request, request.get("logGroupNamePrefix", ""))
    return {"logGroups": [_shape(context, group) for group in groups], "nextToken": token}


def list_log_groups(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of groups by name, in brief."""
    groups, token = _page(context, request, "")
    summaries = [
        {
            "logGroupName": group.name,
            "logGroupArn": group_arn(context, group.name),
            "logGroupClass": group.document.get("class", "STANDARD"),
        }
        for group in groups
    ]
    return {"logGroups": summaries, "nextToken": token}


def put_retention_policy(context: Context, request: dict[str, Any]) -> None:
    """Set after how many days a group's events are deleted."""
    days = request["retentionInDays"]
    if days not in _RETENTIONS_DAYS:
        raise ApiError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy"
            f" constraint: Member must satisfy enum value set: {sorted(_RETENTIONS_DAYS)}",
        )
    group = find_group(context, request["logGroupName"])
    context.platform.logs.update_group(group, retention_days=days, document=group.document)


def delete_retention_policy(context: Context, request: dict[str, Any]) -> None:
    """Let a group keep its events for ever."""
    group = find_group(context, request["logGroupName"])
    context.platform.logs.update_group(group, retention_days=None, document=group.document)


def put_log_group_deletion_protection(context: Context, request: dict[str, Any]) -> None:
    """Set whether a group can be deleted."""
    group = find_group(context, group_name(request["logGroupIdentifier"]))
    _set(context, group, deletionProtection=request["deletionProtectionEnabled"])


def _page(
    context: Context, request: dict[str, Any], prefix: str
) -> tuple[list[GroupRecord], str | None]:
    limit = request.get("limit", _DEFAULT_LIMIT)
    after = ""
    if "nextToken" in request:
        after = decode_token(request["nextToken"], "InvalidParameterException", (str,))[0]
    groups = context.platform.logs.groups(
        context.account,
        context.region,
        prefix=prefix,
        containing=request.get("logGroupNamePattern", ""),
        after=after,
        limit=limit + 1,
    )
    token = encode_token([groups[limit - 1].name]) if len(groups) > limit else None
    wanted = request.get("logGroupClass")
    shown = [g for g in groups[:limit] if wanted in (None, g.document.get("class", "STANDARD"))]
    return shown, token


def _shape(context: Context, group: GroupRecord) -> dict[str, Any]:
    filters = context.db.one(
        "SELECT count(*) FROM logs_metric_filters WHERE group_id = ?", (group.id,)
    )
    assert filters is not None
    arn = group_arn(context, group.name)
    return {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "retentionInDays": group.retention_days,
        "metricFilterCount": filters[0],
        "arn": f"{arn}:*",
        "storedBytes": group.stored_bytes,
        "kmsKeyId": group.document.get("kmsKeyId"),
        "logGroupClass": group.document.get("class", "STANDARD"),
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.document.get("deletionProtection", False),
    }


def _set(context: Context, group: GroupRecord, **members: Any) -> None:
    context.platform.logs.update_group(
        group, retention_days=group.retention_days, document=group.document | members
    )
