"""The identity store: the facade over entities, credentials and policies, and authorisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sagebrush.base.arns import Arn, partition_of
from sagebrush.base.clock import Clock
from sagebrush.engines.identity.credentials import Credentials
from sagebrush.engines.identity.documents import PolicyDocument
from sagebrush.engines.identity.entities import Entities
from sagebrush.engines.identity.errors import EntityNotFound
from sagebrush.engines.identity.evaluator import (
    AccessRequest,
    Decision,
    NamedPolicy,
    PolicySet,
    decide,
)
from sagebrush.engines.identity.policies import Policies
from sagebrush.engines.identity.provided import DEFAULT_ROLE, SAGEMAKER_TRUST, usual_role
from sagebrush.engines.identity.records import AccessKey, Credential, Entity, Identity, Session
from sagebrush.store.database import Database

DEFAULT_SESSION = "sagebrush"


class IdentityStore:
    """Users, roles, groups, keys, sessions and policies of every account.

    Methods are synchronous and join the caller's transaction when one is open.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        db.migrate("engines.identity", Path(__file__).parent / "migrations")
        self.entities = Entities(db, clock)
        self.credentials = Credentials(db, clock)
        self.policies = Policies(db, clock, self.entities)

    def credential(self, access_key: str) -> Credential | None:
        """Return what a signature is checked with: secret, state, token and expiry."""
        return self.credentials.credential(access_key)

    def secret(self, access_key: str) -> str | None:
        """Return the secret of a key that may be used now, else None."""
        found = self.credential(access_key)
        if found is None or not found.active:
            return None
        if found.expires is not None and found.expires <= self.credentials.machine_clock.now():
            return None
        return found.secret

    def principal(self, access_key: str, account: str, region: str) -> Identity:
        """Return who stands behind an access key.

        A key nobody issued stands for a session of the SageMaker role in `account`, so that
        clients find an execution role; with signature checks on such a key never gets here.
        """
        partition = partition_of(region)
        if key := self.credentials.key(access_key):
            return self._key_identity(key, partition)
        if session := self.credentials.session(access_key):
            kinds = {"role": "AssumedRole", "user": "IAMUser", "root": "Root"}
            return Identity(
                session.arn,
                session.user_id,
                access_key,
                kinds[session.source_kind],
                session.account,
            )
        role = self.role(account, DEFAULT_ROLE)
        role_id = role.id if role else "AROA" + "A" * 16
        arn = f"arn:{partition}:sts::{account}:assumed-role/{DEFAULT_ROLE}/{DEFAULT_SESSION}"
        user_id = f"{role_id}:{DEFAULT_SESSION}"
        return Identity(arn, user_id, access_key, "AssumedRole", account)

    def role(self, account: str, name: str) -> Entity | None:
        """Return a role, or None. A usual SageMaker role is made when first asked for."""
        found = self.entities.find(account, "role", name)
        if found is None and usual_role(name) and not self._was_provided(account, name):
            return self._provide_role(account, name)
        return found

    def seed(self, account: str) -> None:
        """Make the default role of an account that has not had it, so that lists show it."""
        self.role(account, DEFAULT_ROLE)

    def ensure_root_key(self, account: str) -> AccessKey:
        """Return the account's root key, made on the first call."""
        with self._db.atomically():
            keys = self.credentials.keys(account, None)
            return keys[0] if keys else self.credentials.create_key(account, None)

    def authorise(
        self,
        identity: Identity,
        action: str,
        resource: str = "*",
        context: Mapping[str, Sequence[str]] | None = None,
        *,
        resource_policies: Sequence[str] = (),
    ) -> Decision:
        """Return whether `identity` may do `action` (`s3:GetObject`) to `resource` (an ARN).

        `resource_policies` are documents attached to the resource (a bucket policy). Root is
        always allowed. `Decision.explanation` gives AWS's sentence for a refusal.
        """
        if identity.kind == "Root":
            return Decision("allowed")
        request = AccessRequest(
            action, resource, self.context(identity, context or {}), identity.arn
        )
        attached = [
            NamedPolicy("resource", "Resource Policy", PolicyDocument.resource(text))
            for text in resource_policies
        ]
        return decide(self._policy_set(identity, attached), request)

    def context(
        self, identity: Identity, given: Mapping[str, Sequence[str]]
    ) -> dict[str, Sequence[str]]:
        """Return the condition context of a request: the given keys and those of the identity."""
        name = identity.arn.split(":", 5)[-1].rsplit("/", 1)[-1]
        context: dict[str, Sequence[str]] = {
            "aws:principalarn": [_source_arn(identity)],
            "aws:principalaccount": [identity.account],
            "aws:principaltype": [identity.kind],
            "aws:userid": [identity.user_id],
            "aws:epochtime": [str(int(self._clock.now()))],
            "aws:currenttime": [datetime.fromtimestamp(self._clock.now(), UTC).isoformat()],
        }
        if identity.kind == "IAMUser":
            context["aws:username"] = [name]
        return context | {key.lower(): values for key, values in given.items()}

    def policies_of(self, account: str, kind: str, name: str) -> list[NamedPolicy]:
        """Return the policies in force for a user, group or role; a user's groups included."""
        owners = [(kind, name)]
        if kind == "user":
            owners += [("group", g) for g in self.entities.targets(account, "user-group", name)]
        found = []
        for owner_kind, owner in owners:
            found += self._own_policies(account, owner_kind, owner)
        return found

    def boundary_of(self, entity: Entity) -> list[NamedPolicy] | None:
        """Return the permissions boundary of a user or role, None when it has none."""
        arn = entity.document.get("PermissionsBoundary")
        return [self.managed_policy(arn)] if arn else None

    def managed_policy(self, arn: str) -> NamedPolicy:
        """Return the version in force of a managed policy.

        Raises:
            EntityNotFound: there is none of that ARN.
        """
        policy = self.policies.get(arn)
        document = self.policies.default_version(policy).document
        return NamedPolicy(policy.name, "IAM Policy", PolicyDocument.identity(document))

    def _own_policies(self, account: str, kind: str, name: str) -> list[NamedPolicy]:
        inline = self.entities.inline(account, kind, name).items()
        attached = self.entities.targets(account, f"{kind}-policy", name)
        return [
            NamedPolicy(f"{kind}_{name}_{inline_name}", "IAM Policy", PolicyDocument.identity(text))
            for inline_name, text in inline
        ] + [self.managed_policy(arn) for arn in attached]

    def _policy_set(self, identity: Identity, attached: list[NamedPolicy]) -> PolicySet:
        session = self.credentials.session(identity.access_key)
        kind, name = _source(identity, session)
        entity = (
            self.role(identity.account, name)
            if kind == "role"
            else (self.entities.find(identity.account, kind, name))
        )
        narrowed = None
        if session is not None and session.policies:
            narrowed = [
                NamedPolicy("session", "Session Policy", PolicyDocument.identity(text))
                for text in session.policies
            ]
        if entity is None:
            return PolicySet(resource=attached, session=narrowed)
        return PolicySet(
            self.policies_of(identity.account, kind, name),
            self.boundary_of(entity),
            narrowed,
            attached,
        )

    def _key_identity(self, key: AccessKey, partition: str) -> Identity:
        if key.user is None:
            arn = f"arn:{partition}:iam::{key.account}:root"
            return Identity(arn, key.account, key.access_key, "Root", key.account)
        user = self.entities.find(key.account, "user", key.user)
        if user is None:
            raise EntityNotFound("user", key.user)
        return Identity(user.arn(partition), user.id, key.access_key, "IAMUser", key.account)

    def _was_provided(self, account: str, name: str) -> bool:
        row = self._db.one(
            "SELECT 1 FROM identity_provided WHERE account = ? AND role = ?", (account, name)
        )
        return row is not None

    def _provide_role(self, account: str, name: str) -> Entity:
        provided = usual_role(name)
        assert provided is not None
        path, policies = provided
        with self._db.atomically():
            # Remembered, so that a role the user has deleted stays deleted.
            self._db.execute("INSERT INTO identity_provided VALUES (?, ?)", (account, name))
            document = {
                "AssumeRolePolicyDocument": SAGEMAKER_TRUST,
                "Description": "SageMaker execution role, present in every account",
                "MaxSessionDuration": 43_200,
            }
            role = self.entities.create(account, "role", name, path, document)
            for arn in policies:
                self.entities.link(account, "role-policy", name, arn)
        return role


def _source(identity: Identity, session: Session | None) -> tuple[str, str]:
    """Return kind and name of the entity whose policies an identity has."""
    if session is not None:
        return session.source_kind, session.source_name
    resource = identity.arn.split(":", 5)[-1].split("/")
    return ("role", resource[1]) if resource[0] == "assumed-role" else ("user", resource[-1])


def _source_arn(identity: Identity) -> str:
    arn = Arn.parse(identity.arn)
    if arn is None or not arn.resource.startswith("assumed-role/"):
        return identity.arn
    return str(arn._replace(service="iam", resource=f"role/{arn.resource.split('/')[1]}"))
