"""Roles and their trust policies."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.services.iam.entities import (
    check_trust_policy,
    create,
    find,
    find_policy,
    role_shape,
)
from sagebrush.services.iam.paging import page_of_entities
from sagebrush.services.platform import Context


def create_role(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a role that those its trust policy names can assume."""
    document: dict[str, Any] = {
        "AssumeRolePolicyDocument": check_trust_policy(request["AssumeRolePolicyDocument"]),
        "MaxSessionDuration": request.get("MaxSessionDuration", 3600),
    }
    if "Description" in request:
        document["Description"] = request["Description"]
    if boundary := request.get("PermissionsBoundary"):
        find_policy(context, boundary)
        document["PermissionsBoundary"] = boundary
    role = create(context, "role", request["RoleName"], request, document)
    shape = role_shape(context, role)
    del shape["RoleLastUsed"]
    return {"Role": shape}


def get_role(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a role; one of the usual SageMaker roles is made when first asked for."""
    return {"Role": role_shape(context, find(context, "role", request["RoleName"]))}


def list_roles(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of roles by name."""
    context.platform.identity.seed(context.account)
    return page_of_entities(
        context, "role", request, "Roles", lambda r: role_shape(context, r, with_tags=False)
    )


def update_role(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set a role's description and longest session."""
    role = find(context, "role", request["RoleName"])
    changes: dict[str, Any] = {
        k: request[k] for k in ("Description", "MaxSessionDuration") if k in request
    }
    _set(context, role, changes)
    return {}


def update_role_description(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set a role's description and answer the role."""
    role = find(context, "role", request["RoleName"])
    _set(context, role, {"Description": request["Description"]})
    return {"Role": role_shape(context, find(context, "role", role.name))}


def update_assume_role_policy(context: Context, request: dict[str, Any]) -> None:
    """Set a role's trust policy."""
    role = find(context, "role", request["RoleName"])
    policy = check_trust_policy(request["PolicyDocument"])
    _set(context, role, {"AssumeRolePolicyDocument": policy})


def delete_role(context: Context, request: dict[str, Any]) -> None:
    """Remove a role that holds no policies and is in no instance profile."""
    role = find(context, "role", request["RoleName"])
    entities = context.platform.identity.entities
    if entities.owners(context.account, "instance-profile-role", role.name):
        raise ApiError(
            "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."
        )
    if entities.targets(context.account, "role-policy", role.name):
        raise ApiError("DeleteConflict", "Cannot delete entity, must detach all policies first.")
    if entities.inline(context.account, "role", role.name):
        raise ApiError("DeleteConflict", "Cannot delete entity, must delete policies first.")
    entities.delete(role)


def put_role_permissions_boundary(context: Context, request: dict[str, Any]) -> None:
    """Set the policy that bounds what a role's policies can grant."""
    role = find(context, "role", request["RoleName"])
    find_policy(context, request["PermissionsBoundary"])
    _set(context, role, {"PermissionsBoundary": request["PermissionsBoundary"]})


def delete_role_permissions_boundary(context: Context, request: dict[str, Any]) -> None:
    """Remove a role's permissions boundary."""
    role = find(context, "role", request["RoleName"])
    if "PermissionsBoundary" not in role.document:
        raise ApiError("NoSuchEntity", f"The permissions boundary for {role.name} cannot be found.")
    document = {k: v for k, v in role.document.items() if k != "PermissionsBoundary"}
    context.platform.identity.entities.update(role, document=document)


def _set(context: Context, role: Entity, changes: dict[str, Any]) -> None:
    context.platform.identity.entities.update(role, document=role.document | changes)
