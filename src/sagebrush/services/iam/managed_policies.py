"""Customer managed policies and their versions; AWS's own can be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.engines.identity.policies import PolicyVersion
from sagebrush.engines.identity.provided import MANAGED_POLICIES
from sagebrush.services.iam.entities import (
    arn_of,
    check_policy,
    create,
    encoded,
    find_own_policy,
    find_policy,
    tag_list,
)
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context

_MAX_VERSIONS = 5
ATTACHMENT_KINDS = ("user", "group", "role")


def create_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a policy whose version `v1` is in force."""
    text = check_policy(request["PolicyDocument"])
    document = {"Description": request["Description"]} if "Description" in request else {}
    policy = create(context, "policy", request["PolicyName"], request, document)
    context.platform.identity.policies.add_version(policy, text, default=True)
    return {"Policy": _policy_shape(context, policy)}


def get_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a policy without its document."""
    return {"Policy": _policy_shape(context, find_policy(context, request["PolicyArn"]))}


def list_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of policies: the account's, AWS's, or both."""
    found: list[Entity] = []
    policies = context.platform.identity.policies
    scope = request.get("Scope", "All")
    if scope in ("All", "Local"):
        found += context.platform.identity.entities.page(context.account, "policy")
    if scope in ("All", "AWS"):
        found += [policies.get(arn) for arn in MANAGED_POLICIES]
    prefix = request.get("PathPrefix", "/")
    shapes = (
        (policy.arn(), _policy_shape(context, policy))
        for policy in found
        if policy.path.startswith(prefix)
    )
    if request.get("OnlyAttached"):
        shapes = ((arn, shape) for arn, shape in shapes if shape["AttachmentCount"])
    listed = ((arn, _listed(shape)) for arn, shape in shapes)
    return page_of(sorted(listed, key=lambda pair: pair[0]), request, "Policies")


def delete_policy(context: Context, request: dict[str, Any]) -> None:
    """Remove a policy that is attached to nothing and has one version."""
    policy = find_own_policy(context, request["PolicyArn"])
    if any(_attached_to(context, request["PolicyArn"]).values()):
        raise ApiError("DeleteConflict", "Cannot delete a policy attached to entities.")
    if len(context.platform.identity.policies.versions(policy)) > 1:
        raise ApiError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete"
            " the policy's versions. The default version is deleted with the policy.",
        )
    context.platform.identity.policies.delete(policy)


def create_policy_version(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add a version to a policy, in force at once with `SetAsDefault`."""
    policy = find_own_policy(context, request["PolicyArn"])
    text = check_policy(request["PolicyDocument"])
    policies = context.platform.identity.policies
    if len(policies.versions(policy)) >= _MAX_VERSIONS:
        raise ApiError(
            "LimitExceeded",
            f"A managed policy can have up to {_MAX_VERSIONS} versions. Before you create a new"
            " version, you must delete an existing version.",
        )
    version = policies.add_version(policy, text, default=request.get("SetAsDefault", False))
    shape = _version_shape(version)
    del shape["Document"]
    return {"PolicyVersion": shape}


def get_policy_version(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a version with its document."""
    policy = find_policy(context, request["PolicyArn"])
    return {"PolicyVersion": _version_shape(_version(context, policy, request["VersionId"]))}


def list_policy_versions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a policy's versions, newest first, without documents."""
    policy = find_policy(context, request["PolicyArn"])
    versions = context.platform.identity.policies.versions(policy)
    # The page's key ascends while the version numbers descend.
    pairs = [(f"{10**9 - version.number:010d}", _without_document(version)) for version in versions]
    return page_of(pairs, request, "Versions")


def set_default_policy_version(context: Context, request: dict[str, Any]) -> None:
    """Put a version in force."""
    policy = find_own_policy(context, request["PolicyArn"])
    version = _version(context, policy, request["VersionId"])
    context.platform.identity.policies.set_default(policy, version.number)


def delete_policy_version(context: Context, request: dict[str, Any]) -> None:
    """Remove a version that is not in force."""
    policy = find_own_policy(context, request["PolicyArn"])
    version = _version(context, policy, request["VersionId"])
    if version.is_default:
        raise ApiError("DeleteConflict", "Cannot delete the default version of a policy.")
    context.platform.identity.policies.delete_version(policy, version.number)


def list_entities_for_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the users, groups and roles a policy is attached to."""
    find_policy(context, request["PolicyArn"])
    wanted = {"User": "user", "Group": "group", "Role": "role"}.get(request.get("EntityFilter", ""))
    holders = [
        (f"{kind}/{name}", (kind, name))
        for kind, names in sorted(_attached_to(context, request["PolicyArn"]).items())
        for name in names
        if wanted in (None, kind)
    ]
    page = page_of(holders, request, "Holders")
    return _holder_lists(context, page.pop("Holders")) | page


def _attached_to(context: Context, arn: str) -> dict[str, list[str]]:
    """Return the names a policy is attached to, by kind of entity."""
    entities = context.platform.identity.entities
    return {
        kind: entities.owners(context.account, f"{kind}-policy", arn) for kind in ATTACHMENT_KINDS
    }


def _holder_lists(context: Context, holders: Iterable[tuple[str, str]]) -> dict[str, Any]:
    lists: dict[str, Any] = {"PolicyUsers": [], "PolicyGroups": [], "PolicyRoles": []}
    entities = context.platform.identity.entities
    for kind, name in holders:
        entity = entities.get(context.account, kind, name)
        label = kind.capitalize()
        lists[f"Policy{label}s"].append({f"{label}Name": name, f"{label}Id": entity.id})
    return lists


def _version(context: Context, policy: Entity, version_id: str) -> PolicyVersion:
    for version in context.platform.identity.policies.versions(policy):
        if f"v{version.number}" == version_id:
            return version
    raise ApiError(
        "NoSuchEntity",
        f"Policy {arn_of(context, policy)} version {version_id} does not exist"
        " or is not attachable.",
    )


def _policy_shape(context: Context, policy: Entity) -> dict[str, Any]:
    arn = arn_of(context, policy)
    version = context.platform.identity.policies.default_version(policy)
    versions = context.platform.identity.policies.versions(policy)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{version.number}",
        "AttachmentCount": sum(map(len, _attached_to(context, arn).values())),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Description": policy.document.get("Description"),
        "CreateDate": policy.created,
        "UpdateDate": max(version.created for version in versions),
        "Tags": tag_list(policy),
    }


def _listed(shape: dict[str, Any]) -> dict[str, Any]:
    """Lists leave out what takes another read: description and tags."""
    return {k: v for k, v in shape.items() if k not in ("Description", "Tags")}


def _version_shape(version: PolicyVersion) -> dict[str, Any]:
    return {
        "Document": encoded(version.document),
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created,
    }


def _without_document(version: PolicyVersion) -> dict[str, Any]:
    shape = _version_shape(version)
    del shape["Document"]
    return shape
