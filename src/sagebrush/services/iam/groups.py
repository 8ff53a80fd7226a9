"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.iam.entities import create, find, group_shape, rename, user_shape
from sagebrush.services.iam.paging import page_of, page_of_entities
from sagebrush.services.platform import Context

_MEMBERSHIP = "user-group"


def create_group(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a group without members."""
    group = create(context, "group", request["GroupName"], request, {})
    return {"Group": group_shape(context, group)}


def get_group(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a group with a page of its members."""
    group = find(context, "group", request["GroupName"])
    names = context.platform.identity.entities.owners(context.account, _MEMBERSHIP, group.name)
    members = [
        (name, user_shape(context, find(context, "user", name), with_tags=False)) for name in names
    ]
    return page_of(members, request, "Users") | {"Group": group_shape(context, group)}


def list_groups(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of groups by name."""
    return page_of_entities(
        context, "group", request, "Groups", lambda group: group_shape(context, group)
    )


def list_groups_for_user(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the groups a user is in."""
    user = find(context, "user", request["UserName"])
    names = context.platform.identity.entities.targets(context.account, _MEMBERSHIP, user.name)
    groups = [(name, group_shape(context, find(context, "group", name))) for name in names]
    return page_of(groups, request, "Groups")


def update_group(context: Context, request: dict[str, Any]) -> None:
    """Give a group a new name or path."""
    group = find(context, "group", request["GroupName"])
    rename(context, group, request.get("NewGroupName"), request.get("NewPath"))


def delete_group(context: Context, request: dict[str, Any]) -> None:
    """Remove a group that has neither members nor policies."""
    group = find(context, "group", request["GroupName"])
    entities = context.platform.identity.entities
    if entities.owners(context.account, _MEMBERSHIP, group.name):
        raise ApiError(
            "DeleteConflict", "Cannot delete entity, must remove users from group first."
        )
    if entities.targets(context.account, "group-policy", group.name):
        raise ApiError("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    if entities.inline(context.account, "group", group.name):
        raise ApiError("DeleteConflict", "Cannot delete entity, must delete policies first.")
    entities.delete(group)


def add_user_to_group(context: Context, request: dict[str, Any]) -> None:
    """Put a user into a group."""
    group = find(context, "group", request["GroupName"])
    user = find(context, "user", request["UserName"])
    context.platform.identity.entities.link(context.account, _MEMBERSHIP, user.name, group.name)


def remove_user_from_group(context: Context, request: dict[str, Any]) -> None:
    """Take a user out of a group."""
    group = find(context, "group", request["GroupName"])
    user = find(context, "user", request["UserName"])
    entities = context.platform.identity.entities
    if not entities.unlink(context.account, _MEMBERSHIP, user.name, group.name):
        raise ApiError("NoSuchEntity", f"User {user.name} is not a member of group {group.name}.")
