"""What the KMS folder holds."""

from __future__ import annotations

from pathlib import Path

from sagebrush.services.declaration import Service

_RESOURCES = (
    "aliases",
    "data_keys",
    "encryption",
    "grants",
    "key_policies",
    "keys",
    "macs",
    "rotation",
    "signing",
    "tags",
)

SERVICE = Service(
    name="kms",
    modules=tuple(f"sagebrush.services.kms.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
)
