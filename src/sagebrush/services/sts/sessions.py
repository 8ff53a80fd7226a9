"""Temporary credentials: sessions of roles and of users."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn, partition_of
from sagebrush.base.errors import ApiError
from sagebrush.base.identifiers import iam_unique_id
from sagebrush.engines.identity import (
    AccessRequest,
    Entity,
    EntityNotFound,
    Identity,
    PolicyDocument,
    PolicyMalformed,
)
from sagebrush.engines.identity.evaluator import EXPLICIT_DENY, trusts
from sagebrush.engines.identity.records import Session
from sagebrush.services.platform import Context

_DEFAULT_DURATION_S = 3600
_SESSION_TOKEN_DURATION_S = 43_200


def assume_role(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer credentials of a new session of a role.

    With signature checks on, the role must exist and its trust policy must let the caller in. With
    checks off a role nobody made is taken for one of another account's.
    """
    arn = _role_arn(request["RoleArn"])
    name = arn.resource.rpartition("/")[2]
    role = context.platform.identity.role(arn.account, name)
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    if context.platform.settings.verify_signatures:
        _check_trust(context, request, role, tags)
    duration_s = request.get("DurationSeconds", _DEFAULT_DURATION_S)
    if duration_s > (role.document.get("MaxSessionDuration", 3600) if role else 43_200):
        raise ApiError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    policies = _session_policies(context, request)
    session_name = request["RoleSessionName"]
    role_id = role.id if role else iam_unique_id("AROA")
    session = context.platform.identity.credentials.create_session(
        arn.account,
        arn=f"arn:{arn.partition}:sts::{arn.account}:assumed-role/{name}/{session_name}",
        user_id=f"{role_id}:{session_name}",
        source_kind="role",
        source_name=name,
        duration_s=duration_s,
        policies=policies,
        tags=tags,
    )
    return {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "PackedPolicySize": _packed_size(policies) if policies else None,
        "SourceIdentity": request.get("SourceIdentity"),
    }


def get_session_token(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer temporary credentials that may do what the caller may."""
    identity = context.platform.identity
    principal = context.principal
    if identity.credentials.session(principal.access_key) is not None:
        raise ApiError(
            "AccessDenied", "Cannot call GetSessionToken with session credentials", status=403
        )
    kind, name = _source_of(principal.kind, principal.arn)
    session = identity.credentials.create_session(
        context.account,
        arn=principal.arn,
        user_id=principal.user_id,
        source_kind=kind,
        source_name=name,
        duration_s=request.get("DurationSeconds", _SESSION_TOKEN_DURATION_S),
    )
    return {"Credentials": _credentials(session)}


def _role_arn(text: str) -> Arn:
    arn = Arn.parse(text)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise ApiError("ValidationError", f"{text} is invalid")
    return arn


def _check_trust(
    context: Context, request: dict[str, Any], role: Entity | None, tags: dict[str, str]
) -> None:
    """Refuse a caller whom neither the trust policy nor, through the account, its own lets in."""
    caller = context.principal
    identity = Identity(caller.arn, caller.user_id, caller.access_key, caller.kind, context.account)
    refusal = ApiError(
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: sts:AssumeRole"
        f" on resource: {request['RoleArn']}",
        status=403,
    )
    if role is None or role.arn(partition_of(context.region)) != request["RoleArn"]:
        raise refusal
    given = {f"aws:RequestTag/{key}": [value] for key, value in tags.items()}
    if "ExternalId" in request:
        given["sts:ExternalId"] = [request["ExternalId"]]
    given["sts:RoleSessionName"] = [request["RoleSessionName"]]
    store = context.platform.identity
    conditions = store.context(identity, given)
    document = PolicyDocument.trust(role.document["AssumeRolePolicyDocument"])
    asked = AccessRequest("sts:AssumeRole", request["RoleArn"], conditions, caller.arn)
    directly = AccessRequest(
        "sts:AssumeRole", request["RoleArn"], conditions, caller.arn, through_account=False
    )
    own = store.authorise(identity, "sts:AssumeRole", request["RoleArn"], given)
    if own.effect == EXPLICIT_DENY or not trusts(document, asked):
        raise refusal
    if not (own.allowed or trusts(document, directly)):
        raise refusal


def _session_policies(context: Context, request: dict[str, Any]) -> list[str]:
    texts = [request["Policy"]] if "Policy" in request else []
    identity = context.platform.identity
    try:
        for given in request.get("PolicyArns", []):
            policy = identity.policies.get(given["arn"])
            texts.append(identity.policies.default_version(policy).document)
        for text in texts:
            PolicyDocument.identity(text)
    except EntityNotFound as error:
        raise ApiError("NoSuchEntity", f"Policy {error.name} does not exist.") from None
    except PolicyMalformed as error:
        raise ApiError("MalformedPolicyDocument", str(error)) from None
    return texts


def _packed_size(policies: list[str]) -> int:
    """Return the share of the packed size limit that session policies take, in percent."""
    return max(1, sum(len(policy) for policy in policies) * 100 // 20_480)


def _source_of(kind: str, arn: str) -> tuple[str, str]:
    if kind == "Root":
        return "root", ""
    resource = arn.split(":", 5)[-1].split("/")
    return ("user", resource[-1]) if resource[0] == "user" else ("role", resource[1])


def _credentials(session: Session) -> dict[str, Any]:
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires,
    }
