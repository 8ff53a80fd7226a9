"""Groups and streams as requests name them, their ARNs, and the errors about them."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupNotFound, GroupRecord, StreamNotFound, StreamRecord
from sagebrush.services.platform import Context


def find_group(context: Context, name: str) -> GroupRecord:
    """Return a group, or refuse with ResourceNotFoundException."""
    try:
        return context.platform.logs.group(context.account, context.region, name)
    except GroupNotFound:
        raise ApiError(
            "ResourceNotFoundException", "The specified log group does not exist."
        ) from None


def find_stream(context: Context, group: GroupRecord, name: str) -> StreamRecord:
    """Return a stream of a group, or refuse with ResourceNotFoundException."""
    try:
        return context.platform.logs.stream(group, name)
    except StreamNotFound:
        raise ApiError(
            "ResourceNotFoundException", "The specified log stream does not exist."
        ) from None


def named_group(context: Context, request: dict[str, Any]) -> GroupRecord:
    """Return the group of `logGroupName` or of `logGroupIdentifier`, one of which is given."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise ApiError(
            "InvalidParameterException",
            "Exactly one of logGroupName and logGroupIdentifier has to be specified.",
        )
    return find_group(context, name or group_name(str(identifier)))


def group_name(identifier: str) -> str:
    """Return the name in a group's identifier: its name or its ARN, with or without `:*`."""
    arn = Arn.parse(identifier)
    if arn is None:
        return identifier
    return arn.resource.removeprefix("log-group:").removesuffix(":*")


def group_arn(context: Context, name: str) -> str:
    """Return a group's ARN, without the `:*` that older members add."""
    return context.arn("logs", f"log-group:{name}")
