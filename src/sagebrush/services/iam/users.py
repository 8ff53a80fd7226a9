"""Users."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.services.iam.callers import caller_or_named
from sagebrush.services.iam.entities import create, find, find_policy, rename, user_shape
from sagebrush.services.iam.paging import page_of_entities
from sagebrush.services.platform import Context


def create_user(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a user, without keys or permissions."""
    document = {}
    if boundary := request.get("PermissionsBoundary"):
        find_policy(context, boundary)
        document["PermissionsBoundary"] = boundary
    user = create(context, "user", request["UserName"], request, document)
    return {"User": user_shape(context, user)}


def get_user(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a user; without a name, the caller."""
    if "UserName" not in request and context.principal.kind == "Root":
        return {
            "User": {
                "Path": "/",
                "UserName": "root",
                "UserId": context.account,
                "Arn": context.principal.arn,
                "CreateDate": context.now,
            }
        }
    return {"User": user_shape(context, find(context, "user", caller_or_named(context, request)))}


def list_users(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of users by name."""
    return page_of_entities(
        context, "user", request, "Users", lambda u: user_shape(context, u, with_tags=False)
    )


def update_user(context: Context, request: dict[str, Any]) -> None:
    """Give a user a new name or path."""
    user = find(context, "user", request["UserName"])
    rename(context, user, request.get("NewUserName"), request.get("NewPath"))


def delete_user(context: Context, request: dict[str, Any]) -> None:
    """Remove a user who holds nothing any more."""
    user = find(context, "user", request["UserName"])
    store = context.platform.identity
    if store.credentials.keys(context.account, user.name):
        raise _conflict("must delete access keys first")
    if store.entities.targets(context.account, "user-group", user.name):
        raise _conflict("must remove users from group first")
    if store.entities.targets(context.account, "user-policy", user.name):
        raise _conflict("must detach all policies first")
    if store.entities.inline(context.account, "user", user.name):
        raise _conflict("must delete policies first")
    store.entities.delete(user)


def put_user_permissions_boundary(context: Context, request: dict[str, Any]) -> None:
    """Set the policy that bounds what a user's policies can grant."""
    user = find(context, "user", request["UserName"])
    find_policy(context, request["PermissionsBoundary"])
    _set_boundary(context, user, request["PermissionsBoundary"])


def delete_user_permissions_boundary(context: Context, request: dict[str, Any]) -> None:
    """Remove a user's permissions boundary."""
    user = find(context, "user", request["UserName"])
    if "PermissionsBoundary" not in user.document:
        raise ApiError("NoSuchEntity", f"The permissions boundary for {user.name} cannot be found.")
    _set_boundary(context, user, None)


def _set_boundary(context: Context, user: Entity, arn: str | None) -> None:
    document = {k: v for k, v in user.document.items() if k != "PermissionsBoundary"}
    if arn is not None:
        document["PermissionsBoundary"] = arn
    context.platform.identity.entities.update(user, document=document)


def _conflict(what: str) -> ApiError:
    return ApiError("DeleteConflict", f"Cannot delete entity, {what}.")
