"""What policies would decide, without doing it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import (
    AccessRequest,
    Decision,
    Identity,
    NamedPolicy,
    PolicyDocument,
    PolicyMalformed,
)
from sagebrush.engines.identity.evaluator import PolicySet, decide
from sagebrush.services.iam.entities import no_such_entity
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context


def simulate_custom_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer what the given policies decide about each action on each resource."""
    del context
    policies = PolicySet(
        identity=_named(request["PolicyInputList"], "PolicyInputList"),
        boundary=_boundary(request),
        resource=_resource_policy(request),
    )
    return _simulate(policies, request, _given_context(request))


def simulate_principal_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer what the policies of a user, group or role decide, with further ones if given."""
    arn = request["PolicySourceArn"]
    kind, name, account = _source(arn)
    if not context.platform.settings.verify_signatures:
        # A program brings the role of its real account along; any credentials pass here, so any
        # account's number in an ARN does.
        account = context.account
    store = context.platform.identity
    entity = (
        store.role(account, name) if kind == "role" else (store.entities.find(account, kind, name))
    )
    if entity is None or account != context.account:
        raise no_such_entity(kind, name)
    boundary = _boundary(request)
    policies = PolicySet(
        identity=store.policies_of(account, kind, name)
        + _named(request.get("PolicyInputList", []), "PolicyInputList"),
        boundary=store.boundary_of(entity) if boundary is None else boundary,
        resource=_resource_policy(request),
    )
    audit_kind = "IAMUser" if kind == "user" else "AssumedRole"
    identity = Identity(arn, entity.id, "", audit_kind, account)
    return _simulate(policies, request, dict(store.context(identity, _given_context(request))))


def _simulate(
    policies: PolicySet, request: dict[str, Any], conditions: dict[str, Any]
) -> dict[str, Any]:
    results: list[tuple[str, Any]] = []
    caller = request.get("CallerArn", request.get("PolicySourceArn", ""))
    for action in request["ActionNames"]:
        for resource in request.get("ResourceArns", ["*"]):
            asked = AccessRequest(action, resource, conditions, caller)
            key = f"{len(results):08d}"
            results.append((key, _result(asked, decide(policies, asked))))
    return page_of(results, request, "EvaluationResults")


def _result(asked: AccessRequest, decision: Decision) -> dict[str, Any]:
    sources = {policy.id: policy.kind for policy in decision.matched}
    return {
        "EvalActionName": asked.action,
        "EvalResourceName": asked.resource,
        "EvalDecision": decision.effect,
        "MatchedStatements": [
            {"SourcePolicyId": source, "SourcePolicyType": kind} for source, kind in sources.items()
        ],
        "MissingContextValues": [] if decision.allowed else list(decision.missing_keys),
    }


def _given_context(request: dict[str, Any]) -> dict[str, list[str]]:
    return {
        entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", [])
        for entry in request.get("ContextEntries", [])
        if "ContextKeyName" in entry
    }


def _boundary(request: dict[str, Any]) -> list[NamedPolicy] | None:
    member = "PermissionsBoundaryPolicyInputList"
    return _named(request[member], member) if member in request else None


def _resource_policy(request: dict[str, Any]) -> list[NamedPolicy]:
    if "ResourcePolicy" not in request:
        return []
    try:
        document = PolicyDocument.resource(request["ResourcePolicy"])
    except PolicyMalformed as error:
        raise ApiError("InvalidInput", f"Invalid Input ResourcePolicy: {error}") from None
    return [NamedPolicy("ResourcePolicy", "Resource Policy", document)]


def _named(texts: Iterable[str], member: str) -> list[NamedPolicy]:
    policies = []
    for number, text in enumerate(texts, start=1):
        try:
            document = PolicyDocument.identity(text)
        except PolicyMalformed as error:
            raise ApiError("InvalidInput", f"Invalid Input {member}.{number}: {error}") from None
        policies.append(NamedPolicy(f"{member}.{number}", "IAM Policy", document))
    return policies


def _source(text: str) -> tuple[str, str, str]:
    """Return kind, name and account of a user, group or role ARN."""
    arn = Arn.parse(text)
    kind, _, path = arn.resource.partition("/") if arn else ("", "", "")
    if arn is None or arn.service != "iam" or kind not in ("user", "group", "role") or not path:
        raise ApiError(
            "InvalidInput",
            f"Invalid Entity Arn: {text} does not clearly define entity type and name.",
        )
    return kind, path.rpartition("/")[2], arn.account
