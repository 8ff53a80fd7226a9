"""The account as a whole: alias, counts, and everything in it at once."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Entity
from sagebrush.services.iam.entities import (
    arn_of,
    encoded,
    group_shape,
    instance_profile_shape,
    role_shape,
    user_shape,
)
from sagebrush.services.iam.paging import page_of
from sagebrush.services.platform import Context

_ALIAS = "account-alias"


def create_account_alias(context: Context, request: dict[str, Any]) -> None:
    """Set the account's alias, in place of another."""
    entities = context.platform.identity.entities
    for alias in entities.targets(context.account, _ALIAS, context.account):
        entities.unlink(context.account, _ALIAS, context.account, alias)
    entities.link(context.account, _ALIAS, context.account, request["AccountAlias"])


def delete_account_alias(context: Context, request: dict[str, Any]) -> None:
    """Remove the account's alias."""
    alias = request["AccountAlias"]
    entities = context.platform.identity.entities
    if not entities.unlink(context.account, _ALIAS, context.account, alias):
        raise ApiError("NoSuchEntity", f"The account alias {alias} cannot be found.")


def list_account_aliases(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the account's alias, if it has one."""
    aliases = context.platform.identity.entities.targets(context.account, _ALIAS, context.account)
    return page_of([(alias, alias) for alias in aliases], request, "AccountAliases")


def get_account_summary(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer how many entities of each kind the account has, and the quotas that are held."""
    del request
    context.platform.identity.seed(context.account)
    entities = context.platform.identity.entities
    counts = {
        label: len(entities.page(context.account, kind))
        for label, kind in (
            ("Users", "user"),
            ("Groups", "group"),
            ("Roles", "role"),
            ("Policies", "policy"),
            ("InstanceProfiles", "instance-profile"),
        )
    }
    quotas = {
        "AccessKeysPerUserQuota": 2,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 20,
        "AttachedPoliciesPerUserQuota": 10,
        "VersionsPerPolicyQuota": 5,
        "UserPolicySizeQuota": 2048,
        "GroupPolicySizeQuota": 5120,
        "RolePolicySizeQuota": 10_240,
    }
    return {"SummaryMap": counts | quotas}


def get_account_authorization_details(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer users, groups, roles and customer managed policies with all their policies."""
    context.platform.identity.seed(context.account)
    wanted = request.get("Filter", ["User", "Group", "Role", "LocalManagedPolicy"])
    details = []
    for label, member in (
        ("User", "UserDetailList"),
        ("Group", "GroupDetailList"),
        ("Role", "RoleDetailList"),
        ("LocalManagedPolicy", "Policies"),
    ):
        if label in wanted:
            kind = "policy" if member == "Policies" else label.lower()
            for entity in context.platform.identity.entities.page(context.account, kind):
                key = f"{member}/{entity.name}"
                details.append((key, (member, _detail(context, entity))))
    page = page_of(sorted(details, key=lambda pair: pair[0]), request, "Details")
    lists: dict[str, Any] = {
        member: [] for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    }
    for member, detail in page.pop("Details"):
        lists[member].append(detail)
    return lists | page


def _detail(context: Context, entity: Entity) -> dict[str, Any]:
    store = context.platform.identity
    if entity.kind == "policy":
        return _policy_detail(context, entity)
    inline = store.entities.inline(context.account, entity.kind, entity.name)
    policies = [{"PolicyName": n, "PolicyDocument": encoded(d)} for n, d in inline.items()]
    attached = [
        {"PolicyName": store.policies.get(arn).name, "PolicyArn": arn}
        for arn in store.entities.targets(context.account, f"{entity.kind}-policy", entity.name)
    ]
    shape = {"AttachedManagedPolicies": attached}
    if entity.kind == "group":
        return group_shape(context, entity) | shape | {"GroupPolicyList": policies}
    if entity.kind == "user":
        groups = store.entities.targets(context.account, "user-group", entity.name)
        return (
            user_shape(context, entity) | shape | {"UserPolicyList": policies, "GroupList": groups}
        )
    profiles = [
        instance_profile_shape(
            context, store.entities.get(context.account, "instance-profile", name)
        )
        for name in store.entities.owners(context.account, "instance-profile-role", entity.name)
    ]
    return (
        role_shape(context, entity)
        | shape
        | {"RolePolicyList": policies, "InstanceProfileList": profiles}
    )


def _policy_detail(context: Context, policy: Entity) -> dict[str, Any]:
    versions = context.platform.identity.policies.versions(policy)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn_of(context, policy),
        "Path": policy.path,
        "DefaultVersionId": next(f"v{v.number}" for v in versions if v.is_default),
        "CreateDate": policy.created,
        "UpdateDate": max(version.created for version in versions),
        "IsAttachable": True,
        "PolicyVersionList": [
            {
                "Document": encoded(version.document),
                "VersionId": f"v{version.number}",
                "IsDefaultVersion": version.is_default,
                "CreateDate": version.created,
            }
            for version in versions
        ],
    }
