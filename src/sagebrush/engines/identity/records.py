"""Entities, credentials and identities as values. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Entity:
    """A user, group, role, instance profile or customer managed policy.

    `document` holds the members of the kind: `Tags` of all, `AssumeRolePolicyDocument` of a role.
    """

    account: str
    kind: str
    name: str
    path: str
    id: str
    created: float
    document: dict[str, Any]

    def arn(self, partition: str = "aws") -> str:
        """Return the entity's ARN."""
        return f"arn:{partition}:iam::{self.account}:{self.kind}{self.path}{self.name}"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A long-lived key of a user; `user` is None for the account's root."""

    access_key: str
    account: str
    user: str | None
    secret: str
    status: str
    created: float


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials.

    `source_kind` is `role`, `user` or `root`: whose policies apply; `policies` are documents that
    narrow them further.
    """

    access_key: str
    account: str
    secret: str
    token: str
    arn: str
    user_id: str
    source_kind: str
    source_name: str
    created: float
    expires: float
    policies: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Credential(NamedTuple):
    """What is needed to check a signature. `expires` and `token` are None for long-lived keys."""

    secret: str
    account: str
    active: bool
    token: str | None
    expires: float | None


class Identity(NamedTuple):
    """Who stands behind an access key. `kind` is a userIdentity type of the audit trail."""

    arn: str
    user_id: str
    access_key: str
    kind: str
    account: str
