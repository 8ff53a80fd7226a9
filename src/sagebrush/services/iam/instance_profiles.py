"""Instance profiles: the holder through which a machine has a role."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.iam.entities import create, find, instance_profile_shape
from sagebrush.services.iam.paging import page_of, page_of_entities
from sagebrush.services.platform import Context

_HOLDS = "instance-profile-role"


def create_instance_profile(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an instance profile without a role."""
    profile = create(context, "instance-profile", request["InstanceProfileName"], request, {})
    return {"InstanceProfile": instance_profile_shape(context, profile)}


def get_instance_profile(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer an instance profile with its role."""
    profile = find(context, "instance-profile", request["InstanceProfileName"])
    return {"InstanceProfile": instance_profile_shape(context, profile)}


def list_instance_profiles(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of instance profiles by name."""
    return page_of_entities(
        context,
        "instance-profile",
        request,
        "InstanceProfiles",
        lambda profile: instance_profile_shape(context, profile),
    )


def list_instance_profiles_for_role(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the instance profiles that hold a role."""
    role = find(context, "role", request["RoleName"])
    names = context.platform.identity.entities.owners(context.account, _HOLDS, role.name)
    profiles = [
        (name, instance_profile_shape(context, find(context, "instance-profile", name)))
        for name in names
    ]
    return page_of(profiles, request, "InstanceProfiles")


def add_role_to_instance_profile(context: Context, request: dict[str, Any]) -> None:
    """Put a role into an instance profile that holds none."""
    profile = find(context, "instance-profile", request["InstanceProfileName"])
    role = find(context, "role", request["RoleName"])
    entities = context.platform.identity.entities
    if entities.targets(context.account, _HOLDS, profile.name):
        raise ApiError(
            "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        )
    entities.link(context.account, _HOLDS, profile.name, role.name)


def remove_role_from_instance_profile(context: Context, request: dict[str, Any]) -> None:
    """Take a role out of an instance profile."""
    profile = find(context, "instance-profile", request["InstanceProfileName"])
    role = find(context, "role", request["RoleName"])
    entities = context.platform.identity.entities
    if not entities.unlink(context.account, _HOLDS, profile.name, role.name):
        raise ApiError(
            "NoSuchEntity",
            f"Role {role.name} is not in instance profile {profile.name}.",
        )


def delete_instance_profile(context: Context, request: dict[str, Any]) -> None:
    """Remove an instance profile that holds no role."""
    profile = find(context, "instance-profile", request["InstanceProfileName"])
    entities = context.platform.identity.entities
    if entities.targets(context.account, _HOLDS, profile.name):
        raise ApiError(
            "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."
        )
    entities.delete(profile)
