"""Managed policies: the account's own with their versions, and AWS's."""

from __future__ import annotations

from typing import NamedTuple

from sagebrush.base.arns import Arn
from sagebrush.base.clock import Clock
from sagebrush.engines.identity.entities import Entities
from sagebrush.engines.identity.errors import EntityNotFound
from sagebrush.engines.identity.provided import MANAGED_POLICIES
from sagebrush.engines.identity.records import Entity
from sagebrush.store.database import Database


class PolicyVersion(NamedTuple):
    """One version of a managed policy; its wire name is `v<number>`."""

    number: int
    document: str
    is_default: bool
    created: float


# What AWS shows for its own: a policy that existed before any account here.
_AWS_POLICY_CREATED = 1_423_526_400.0


class Policies:
    """Managed policies by ARN."""

    def __init__(self, db: Database, clock: Clock, entities: Entities) -> None:
        self._db = db
        self._clock = clock
        self._entities = entities

    def get(self, arn: str) -> Entity:
        """Return a policy, the account's own or AWS's.

        Raises:
            EntityNotFound: there is none of that ARN.
        """
        if arn in MANAGED_POLICIES:
            name, path, _ = MANAGED_POLICIES[arn]
            return Entity("aws", "policy", name, path, _aws_id(arn), _AWS_POLICY_CREATED, {})
        parsed = Arn.parse(arn)
        if parsed is not None and parsed.resource.startswith("policy/"):
            name = parsed.resource.rpartition("/")[2]
            found = self._entities.find(parsed.account, "policy", name)
            if found and found.arn(parsed.partition) == arn:
                return found
        raise EntityNotFound("policy", arn)

    def add_version(self, policy: Entity, document: str, *, default: bool) -> PolicyVersion:
        """Return a new version; numbers only grow, also after deletions."""
        versions = self.versions(policy)
        last = max((v.number for v in versions), default=0)
        number = max(last, policy.document.get("LastVersion", 0)) + 1
        self._entities.update(policy, document=policy.document | {"LastVersion": number})
        version = PolicyVersion(number, document, False, self._clock.now())
        self._db.execute(
            "INSERT INTO identity_policy_versions VALUES (?, ?, ?, ?, 0, ?)",
            (policy.account, policy.name, number, document, version.created),
        )
        if default:
            self.set_default(policy, number)
        return version._replace(is_default=default)

    def versions(self, policy: Entity) -> list[PolicyVersion]:
        """Return a policy's versions, newest first."""
        if policy.account == "aws":
            document = MANAGED_POLICIES[policy.arn()][2]
            return [PolicyVersion(1, document, True, policy.created)]
        rows = self._db.all(
            "SELECT number, document, is_default, created FROM identity_policy_versions"
            " WHERE account = ? AND policy = ? ORDER BY number DESC",
            (policy.account, policy.name),
        )
        return [PolicyVersion(row[0], row[1], bool(row[2]), row[3]) for row in rows]

    def default_version(self, policy: Entity) -> PolicyVersion:
        """Return the version in force."""
        return next(version for version in self.versions(policy) if version.is_default)

    def set_default(self, policy: Entity, number: int) -> None:
        """Put a version in force."""
        self._db.execute(
            "UPDATE identity_policy_versions SET is_default = (number = ?)"
            " WHERE account = ? AND policy = ?",
            (number, policy.account, policy.name),
        )

    def delete_version(self, policy: Entity, number: int) -> None:
        """Remove one version."""
        self._db.execute(
            "DELETE FROM identity_policy_versions WHERE account = ? AND policy = ? AND number = ?",
            (policy.account, policy.name, number),
        )

    def delete(self, policy: Entity) -> None:
        """Remove a policy with its versions."""
        self._db.execute(
            "DELETE FROM identity_policy_versions WHERE account = ? AND policy = ?",
            (policy.account, policy.name),
        )
        self._entities.delete(policy)


def _aws_id(arn: str) -> str:
    """Return an id that is the same in every account and on every machine."""
    position = list(MANAGED_POLICIES).index(arn)
    return f"ANPAI{position:016d}".replace("0", "A").replace("1", "B")
