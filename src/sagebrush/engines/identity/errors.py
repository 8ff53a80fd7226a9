"""What can be wrong with a request to the identity store."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class IdentityError(SagebrushError):
    """Root of the identity store's errors."""


class EntityNotFound(IdentityError):
    """There is no entity of that kind and name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} {name}")
        self.kind = kind
        self.name = name


class EntityExists(IdentityError):
    """An entity of that kind and name (its case ignored) exists already."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} exists")
        self.kind = kind
        self.name = name
