"""Entities as IAM answers them, and IAM's errors about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from sagebrush.base.arns import partition_of
from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import (
    Entity,
    EntityExists,
    EntityNotFound,
    PolicyDocument,
    PolicyMalformed,
)
from sagebrush.services.platform import Context

_MISSING = {
    "user": "The user with name {} cannot be found.",
    "role": "The role with name {} cannot be found.",
    "group": "The group with name {} cannot be found.",
    "instance-profile": "Instance Profile {} cannot be found.",
    "policy": "Policy {} was not found.",
}
_EXISTING = {
    "user": "User with name {} already exists.",
    "role": "Role with name {} already exists.",
    "group": "Group with name {} already exists.",
    "instance-profile": "Instance Profile {} already exists.",
    "policy": "A policy called {} already exists. Duplicate names are not allowed.",
}
_MAX_TAGS = 50


def find(context: Context, kind: str, name: str) -> Entity:
    """Return an entity of the caller's account, or refuse with NoSuchEntity."""
    identity = context.platform.identity
    found = (
        identity.role(context.account, name)
        if kind == "role"
        else identity.entities.find(context.account, kind, name)
    )
    if found is None:
        raise no_such_entity(kind, name)
    return found


def find_policy(context: Context, arn: str, *, message: str = _MISSING["policy"]) -> Entity:
    """Return a managed policy by ARN, or refuse with NoSuchEntity."""
    try:
        return context.platform.identity.policies.get(arn)
    except EntityNotFound:
        raise ApiError("NoSuchEntity", message.format(arn)) from None


def find_own_policy(context: Context, arn: str) -> Entity:
    """Return a policy of the caller's account; AWS's are nobody's to change."""
    policy = find_policy(context, arn)
    if policy.account != context.account:
        raise ApiError(
            "AccessDenied",
            f"User: {context.principal.arn} is not authorized to perform:"
            f" iam:{context.operation} on resource: policy {arn}",
            status=403,
        )
    return policy


def no_such_entity(kind: str, name: str) -> ApiError:
    """Return IAM's error for an entity that is not there."""
    return ApiError("NoSuchEntity", _MISSING[kind].format(name))


def create(
    context: Context, kind: str, name: str, request: dict[str, Any], document: dict[str, Any]
) -> Entity:
    """Return a new entity with the request's path and tags, or refuse a name that is taken."""
    store = context.platform.identity
    if kind == "role":
        # One of the usual roles counts as there, whether somebody has asked for it yet or not.
        store.role(context.account, name)
    if "Tags" in request:
        document = document | {"Tags": merged_tags({}, request["Tags"])}
    try:
        return store.entities.create(
            context.account, kind, name, request.get("Path", "/"), document
        )
    except EntityExists as error:
        raise ApiError("EntityAlreadyExists", _EXISTING[kind].format(error.name)) from None


def rename(context: Context, entity: Entity, name: str | None, path: str | None) -> None:
    """Give an entity a new name, path or both."""
    try:
        context.platform.identity.entities.update(entity, name=name, path=path)
    except EntityExists as error:
        raise ApiError("EntityAlreadyExists", _EXISTING[entity.kind].format(error.name)) from None


def merged_tags(present: dict[str, str], given: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return tags with the given ones written over; keys are unique whatever their case."""
    merged = dict(present)
    seen: set[str] = set()
    for tag in given:
        if tag["Key"].lower() in seen:
            raise ApiError(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            )
        seen.add(tag["Key"].lower())
        for key in [key for key in merged if key.lower() == tag["Key"].lower()]:
            del merged[key]
        merged[tag["Key"]] = tag["Value"]
    if len(merged) > _MAX_TAGS:
        raise ApiError(
            "LimitExceeded", f"The number of tags has reached the maximum limit: {_MAX_TAGS}."
        )
    return merged


def tag_list(entity: Entity) -> list[dict[str, str]]:
    """Return an entity's tags in wire form."""
    return [{"Key": k, "Value": v} for k, v in entity.document.get("Tags", {}).items()]


def check_policy(text: str) -> str:
    """Return an identity policy's text, or refuse it with MalformedPolicyDocument."""
    try:
        PolicyDocument.identity(text)
    except PolicyMalformed as error:
        raise ApiError("MalformedPolicyDocument", str(error)) from None
    return text


def check_trust_policy(text: str) -> str:
    """Return a trust policy's text, or refuse it with MalformedPolicyDocument."""
    try:
        PolicyDocument.trust(text)
    except PolicyMalformed as error:
        raise ApiError("MalformedPolicyDocument", str(error)) from None
    return text


def encoded(document: str) -> str:
    """Return a policy document as IAM answers it: percent-encoded after RFC 3986."""
    return quote(document, safe="")


def arn_of(context: Context, entity: Entity) -> str:
    """Return an entity's ARN in the partition of the request."""
    return entity.arn("aws" if entity.account == "aws" else partition_of(context.region))


def user_shape(context: Context, user: Entity, *, with_tags: bool = True) -> dict[str, Any]:
    """Return the `User` shape; lists leave the tags out."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": arn_of(context, user),
        "CreateDate": user.created,
        "PermissionsBoundary": _boundary(user),
        "Tags": (tag_list(user) or None) if with_tags else None,
    }


def group_shape(context: Context, group: Entity) -> dict[str, Any]:
    """Return the `Group` shape."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": arn_of(context, group),
        "CreateDate": group.created,
    }


def role_shape(context: Context, role: Entity, *, with_tags: bool = True) -> dict[str, Any]:
    """Return the `Role` shape; lists leave tags, boundary and last use out."""
    document = role.document
    shape = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": arn_of(context, role),
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": encoded(document["AssumeRolePolicyDocument"]),
        "Description": document.get("Description"),
        "MaxSessionDuration": document.get("MaxSessionDuration", 3600),
    }
    if with_tags:
        shape |= {
            "PermissionsBoundary": _boundary(role),
            "Tags": tag_list(role) or None,
            "RoleLastUsed": {},
        }
    return shape


def instance_profile_shape(context: Context, profile: Entity) -> dict[str, Any]:
    """Return the `InstanceProfile` shape with the roles it holds."""
    identity = context.platform.identity
    names = identity.entities.targets(context.account, "instance-profile-role", profile.name)
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": arn_of(context, profile),
        "CreateDate": profile.created,
        "Roles": [
            role_shape(context, find(context, "role", name), with_tags=False) for name in names
        ],
        "Tags": tag_list(profile) or None,
    }


def _boundary(entity: Entity) -> dict[str, str] | None:
    arn = entity.document.get("PermissionsBoundary")
    if arn is None:
        return None
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
