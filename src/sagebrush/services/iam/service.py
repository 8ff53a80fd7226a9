"""What the IAM folder holds."""

from __future__ import annotations

from sagebrush.services.declaration import Service

_RESOURCES = (
    "access_keys",
    "account",
    "attachments",
    "groups",
    "inline_policies",
    "instance_profiles",
    "managed_policies",
    "roles",
    "simulation",
    "tags",
    "users",
)

SERVICE = Service(
    name="iam",
    modules=tuple(f"sagebrush.services.iam.{resource}" for resource in _RESOURCES),
)
