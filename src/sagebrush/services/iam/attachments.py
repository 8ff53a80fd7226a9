"""Managed policies attached to users, groups and roles."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.services.iam.entities import find, find_policy
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context

_NOT_ATTACHABLE = "Policy {} does not exist or is not attachable."
_MAX_ATTACHED = {"user": 10, "group": 10, "role": 20}


def attach_user_policy(context: Context, request: dict[str, Any]) -> None:
    """Attach a policy to a user; nothing happens when it is attached."""
    _attach(context, find(context, "user", request["UserName"]), request["PolicyArn"])


def detach_user_policy(context: Context, request: dict[str, Any]) -> None:
    """Detach a policy from a user."""
    _detach(context, find(context, "user", request["UserName"]), request["PolicyArn"])


def list_attached_user_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the policies attached to a user."""
    return _list(context, find(context, "user", request["UserName"]), request)


def attach_group_policy(context: Context, request: dict[str, Any]) -> None:
    """Attach a policy to a group; nothing happens when it is attached."""
    _attach(context, find(context, "group", request["GroupName"]), request["PolicyArn"])


def detach_group_policy(context: Context, request: dict[str, Any]) -> None:
    """Detach a policy from a group."""
    _detach(context, find(context, "group", request["GroupName"]), request["PolicyArn"])


def list_attached_group_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the policies attached to a group."""
    return _list(context, find(context, "group", request["GroupName"]), request)


def attach_role_policy(context: Context, request: dict[str, Any]) -> None:
    """Attach a policy to a role; nothing happens when it is attached."""
    _attach(context, find(context, "role", request["RoleName"]), request["PolicyArn"])


def detach_role_policy(context: Context, request: dict[str, Any]) -> None:
    """Detach a policy from a role."""
    _detach(context, find(context, "role", request["RoleName"]), request["PolicyArn"])


def list_attached_role_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the policies attached to a role."""
    return _list(context, find(context, "role", request["RoleName"]), request)


def _attach(context: Context, entity: Entity, arn: str) -> None:
    find_policy(context, arn, message=_NOT_ATTACHABLE)
    entities = context.platform.identity.entities
    link = f"{entity.kind}-policy"
    attached = entities.targets(context.account, link, entity.name)
    limit = _MAX_ATTACHED[entity.kind]
    if arn not in attached and len(attached) >= limit:
        raise ApiError(
            "LimitExceeded",
            f"Cannot exceed quota for PoliciesPer{entity.kind.capitalize()}: {limit}",
        )
    entities.link(context.account, link, entity.name, arn)


def _detach(context: Context, entity: Entity, arn: str) -> None:
    entities = context.platform.identity.entities
    if not entities.unlink(context.account, f"{entity.kind}-policy", entity.name, arn):
        raise ApiError("NoSuchEntity", f"Policy {arn} was not found.")


def _list(context: Context, entity: Entity, request: dict[str, Any]) -> dict[str, Any]:
    identity = context.platform.identity
    prefix = request.get("PathPrefix", "/")
    arns = identity.entities.targets(context.account, f"{entity.kind}-policy", entity.name)
    policies = ((arn, identity.policies.get(arn)) for arn in arns)
    pairs = [
        (arn, {"PolicyName": policy.name, "PolicyArn": arn})
        for arn, policy in policies
        if policy.path.startswith(prefix)
    ]
    return page_of(pairs, request, "AttachedPolicies")
