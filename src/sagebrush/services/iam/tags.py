"""Tags of users, roles, policies and instance profiles."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.identity import Entity
from sagebrush.services.iam.entities import (
    find,
    find_own_policy,
    find_policy,
    merged_tags,
    tag_list,
)
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context


def tag_user(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a user."""
    _tag(context, find(context, "user", request["UserName"]), request)


def untag_user(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a user."""
    _untag(context, find(context, "user", request["UserName"]), request)


def list_user_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the tags of a user."""
    return _list(find(context, "user", request["UserName"]), request)


def tag_role(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a role."""
    _tag(context, find(context, "role", request["RoleName"]), request)


def untag_role(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a role."""
    _untag(context, find(context, "role", request["RoleName"]), request)


def list_role_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the tags of a role."""
    return _list(find(context, "role", request["RoleName"]), request)


def tag_policy(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a policy."""
    _tag(context, find_own_policy(context, request["PolicyArn"]), request)


def untag_policy(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a policy."""
    _untag(context, find_own_policy(context, request["PolicyArn"]), request)


def list_policy_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the tags of a policy."""
    return _list(find_policy(context, request["PolicyArn"]), request)


def tag_instance_profile(context: Context, request: dict[str, Any]) -> None:
    """Write tags of an instance profile."""
    _tag(context, find(context, "instance-profile", request["InstanceProfileName"]), request)


def untag_instance_profile(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of an instance profile."""
    _untag(context, find(context, "instance-profile", request["InstanceProfileName"]), request)


def list_instance_profile_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the tags of an instance profile."""
    return _list(find(context, "instance-profile", request["InstanceProfileName"]), request)


def _tag(context: Context, entity: Entity, request: dict[str, Any]) -> None:
    tags = merged_tags(entity.document.get("Tags", {}), request["Tags"])
    _set(context, entity, tags)


def _untag(context: Context, entity: Entity, request: dict[str, Any]) -> None:
    removed = {key.lower() for key in request["TagKeys"]}
    present = entity.document.get("Tags", {})
    _set(context, entity, {k: v for k, v in present.items() if k.lower() not in removed})


def _set(context: Context, entity: Entity, tags: dict[str, str]) -> None:
    context.platform.identity.entities.update(entity, document=entity.document | {"Tags": tags})


def _list(entity: Entity, request: dict[str, Any]) -> dict[str, Any]:
    tags = sorted((tag["Key"], tag) for tag in tag_list(entity))
    return page_of(tags, request, "Tags")
