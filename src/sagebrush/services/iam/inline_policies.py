"""Policies written into a user, group or role."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.services.iam.entities import check_policy, encoded, find
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context

# The sum over an entity's inline policies, without white space.
_MAX_CHARACTERS = {"user": 2048, "group": 5120, "role": 10_240}


def put_user_policy(context: Context, request: dict[str, Any]) -> None:
    """Write a policy into a user, over the one of that name."""
    _put(context, find(context, "user", request["UserName"]), request)


def get_user_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a policy of a user with its document."""
    user = find(context, "user", request["UserName"])
    return {"UserName": user.name} | _get(context, user, request["PolicyName"])


def list_user_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the names of a user's policies."""
    return _list(context, find(context, "user", request["UserName"]), request)


def delete_user_policy(context: Context, request: dict[str, Any]) -> None:
    """Remove a policy from a user."""
    _delete(context, find(context, "user", request["UserName"]), request["PolicyName"])


def put_group_policy(context: Context, request: dict[str, Any]) -> None:
    """Write a policy into a group, over the one of that name."""
    _put(context, find(context, "group", request["GroupName"]), request)


def get_group_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a policy of a group with its document."""
    group = find(context, "group", request["GroupName"])
    return {"GroupName": group.name} | _get(context, group, request["PolicyName"])


def list_group_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the names of a group's policies."""
    return _list(context, find(context, "group", request["GroupName"]), request)


def delete_group_policy(context: Context, request: dict[str, Any]) -> None:
    """Remove a policy from a group."""
    _delete(context, find(context, "group", request["GroupName"]), request["PolicyName"])


def put_role_policy(context: Context, request: dict[str, Any]) -> None:
    """Write a policy into a role, over the one of that name."""
    _put(context, find(context, "role", request["RoleName"]), request)


def get_role_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a policy of a role with its document."""
    role = find(context, "role", request["RoleName"])
    return {"RoleName": role.name} | _get(context, role, request["PolicyName"])


def list_role_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the names of a role's policies."""
    return _list(context, find(context, "role", request["RoleName"]), request)


def delete_role_policy(context: Context, request: dict[str, Any]) -> None:
    """Remove a policy from a role."""
    _delete(context, find(context, "role", request["RoleName"]), request["PolicyName"])


def _put(context: Context, entity: Entity, request: dict[str, Any]) -> None:
    text = check_policy(request["PolicyDocument"])
    entities = context.platform.identity.entities
    policies = entities.inline(context.account, entity.kind, entity.name)
    policies[request["PolicyName"]] = text
    limit = _MAX_CHARACTERS[entity.kind]
    if sum(len("".join(policy.split())) for policy in policies.values()) > limit:
        raise ApiError(
            "LimitExceeded",
            f"Maximum policy size of {limit} bytes exceeded for {entity.kind} {entity.name}",
        )
    entities.put_inline(context.account, entity.kind, entity.name, request["PolicyName"], text)


def _get(context: Context, entity: Entity, name: str) -> dict[str, Any]:
    entities = context.platform.identity.entities
    policies = entities.inline(context.account, entity.kind, entity.name)
    if name not in policies:
        raise _missing(entity, name)
    return {"PolicyName": name, "PolicyDocument": encoded(policies[name])}


def _list(context: Context, entity: Entity, request: dict[str, Any]) -> dict[str, Any]:
    entities = context.platform.identity.entities
    names = entities.inline(context.account, entity.kind, entity.name)
    return page_of([(name, name) for name in names], request, "PolicyNames")


def _delete(context: Context, entity: Entity, name: str) -> None:
    entities = context.platform.identity.entities
    if not entities.delete_inline(context.account, entity.kind, entity.name, name):
        raise _missing(entity, name)


def _missing(entity: Entity, name: str) -> ApiError:
    return ApiError("NoSuchEntity", f"The {entity.kind} policy with name {name} cannot be found.")
