"""Whether policies allow a request.

The logic is AWS's ("Policy evaluation logic", IAM User Guide): an explicit Deny anywhere wins;
else the identity's own or the resource's policies must allow; a boundary and session policies can
only take away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sagebrush.base.arns import Arn
from sagebrush.engines.identity.conditions import substitute, wildcard
from sagebrush.engines.identity.documents import PolicyDocument, Statement

ALLOWED = "allowed"
EXPLICIT_DENY = "explicitDeny"
IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants to do what to which resource. Keys of `context` are lower case."""

    action: str
    resource: str = "*"
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
    principal: str = ""
    # Whether policies that name the principal's account, and so leave the choice to the account's
    # own policies, count as naming the principal.
    through_account: bool = True


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy with where it comes from: the audit and simulation results name it."""

    id: str
    kind: str
    document: PolicyDocument


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, the policies whose statements decided it, and the context keys it lacked."""

    effect: str
    matched: tuple[NamedPolicy, ...] = ()
    missing_keys: tuple[str, ...] = ()
    # Which kind of policy stood in the way: identity-based, permissions boundary, session.
    obstacle: str = "identity-based policy"

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.effect == ALLOWED

    def explanation(self, request: AccessRequest) -> str:
        """Return AWS's sentence for a refusal."""
        who = f"User: {request.principal} is not authorized to perform: {request.action}"
        on = f" on resource: {request.resource}" if request.resource != "*" else ""
        if self.effect == EXPLICIT_DENY:
            article = "an" if self.obstacle.startswith("identity") else "a"
            return f"{who}{on} with an explicit deny in {article} {self.obstacle}"
        return f"{who}{on} because no {self.obstacle} allows the {request.action} action"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All the policies that bear on one request."""

    identity: Sequence[NamedPolicy] = ()
    boundary: Sequence[NamedPolicy] | None = None
    session: Sequence[NamedPolicy] | None = None
    resource: Sequence[NamedPolicy] = ()


def decide(policies: PolicySet, request: AccessRequest) -> Decision:
    """Return whether `policies` together allow `request`."""
    missing: dict[str, None] = {}
    layers = (
        ("identity-based policy", policies.identity),
        ("resource-based policy", policies.resource),
        ("permissions boundary", policies.boundary),
        ("session policy", policies.session),
    )
    effects = {}
    for name, layer in layers:
        allowing, denying = _matches(layer or (), request, missing)
        if denying:
            return Decision(EXPLICIT_DENY, tuple(denying), tuple(missing), name)
        effects[name] = allowing
    granting = (*effects["identity-based policy"], *effects["resource-based policy"])
    for name, layer in layers[2:]:
        if layer is not None and not effects[name]:
            return Decision(IMPLICIT_DENY, (), tuple(missing), name)
    if granting:
        return Decision(ALLOWED, granting, tuple(missing))
    return Decision(IMPLICIT_DENY, (), tuple(missing))


def trusts(document: PolicyDocument, request: AccessRequest) -> bool:
    """Return whether a trust policy lets `request.principal` do `request.action`."""
    return decide(PolicySet(resource=[NamedPolicy("trust", "Trust", document)]), request).allowed


def _matches(
    layer: Sequence[NamedPolicy], request: AccessRequest, missing: dict[str, None]
) -> tuple[list[NamedPolicy], list[NamedPolicy]]:
    """Return the policies of a layer with a statement that allows, and with one that denies."""
    allowing: list[NamedPolicy] = []
    denying: list[NamedPolicy] = []
    for policy in layer:
        for statement in policy.document.statements:
            if _applies(statement, request, missing):
                (allowing if statement.allows else denying).append(policy)
    return allowing, denying


def _applies(statement: Statement, request: AccessRequest, missing: dict[str, None]) -> bool:
    named = any(
        wildcard(action, ignore_case=True).fullmatch(request.action) for action in statement.actions
    )
    if named == statement.negated_actions:
        return False
    if statement.resources and not _resource_applies(statement, request):
        return False
    if statement.principals:
        trusted = any(_is_principal(pair, request) for pair in statement.principals)
        if trusted == statement.negated_principals:
            return False
    missing.update(
        (key, None) for c in statement.conditions if (key := c.missing_key(request.context))
    )
    return all(condition.holds(request.context) for condition in statement.conditions)


def _resource_applies(statement: Statement, request: AccessRequest) -> bool:
    patterns = (substitute(resource, request.context) for resource in statement.resources)
    named = any(
        pattern is not None and wildcard(pattern).fullmatch(request.resource)
        for pattern in patterns
    )
    return named != statement.negated_resources


def _is_principal(pair: tuple[str, str], request: AccessRequest) -> bool:
    category, name = pair
    principal = request.principal
    if category == "Service" or category == "Federated":
        return name in ("*", principal)
    if name in ("*", principal):
        return True
    arn = Arn.parse(principal)
    if arn is None:
        return False
    if name == arn.account or name.endswith(f"::{arn.account}:root"):
        return request.through_account
    # A role session is trusted where its role is.
    return arn.resource.startswith("assumed-role/") and _names_role(name, arn)


def _names_role(name: str, session: Arn) -> bool:
    role = Arn.parse(name)
    return (
        role is not None
        and role.account == session.account
        and role.resource.startswith("role/")
        and role.resource.rsplit("/", 1)[-1] == session.resource.split("/")[1]
    )
