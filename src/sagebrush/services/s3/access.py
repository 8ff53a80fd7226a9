"""Who may do what: the bucket's owner, bucket policies, access control lists.

The owner's account may do everything its bucket policy does not deny. Anyone else, anonymous
callers included, needs the bucket policy's or an access control list's permission. Identity
policies of IAM users are the gateway's matter.
"""

from __future__ import annotations

from typing import Any

from sagebrush.engines.identity.documents import PolicyDocument
from sagebrush.engines.identity.evaluator import (
    EXPLICIT_DENY,
    AccessRequest,
    NamedPolicy,
    PolicySet,
    decide,
)
from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.grants import Grants, canned_grants, is_public, permits
from sagebrush.services.s3.policy_context import condition_values, is_public_policy
from sagebrush.services.s3.settings import read_settings

_SETTINGS = ("policy", "acl", "public_access_block", "ownership")
# The owner's way back after a policy that denies everything.
_POLICY_ACTIONS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")
# What anyone may do with a bucket that the platform provides, and all that anyone may.
_PUBLIC_ACTIONS = (
    *("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:GetBucketVersioning"),
    *("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectAttributes"),
)
# With lists turned off only this, which changes nothing, is still accepted.
_HARMLESS = "bucket-owner-full-control"
_BUCKET_PERMISSIONS = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:DeleteObject": "WRITE",
    "s3:AbortMultipartUpload": "WRITE",
    "s3:ListMultipartUploadParts": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
_OBJECT_PERMISSIONS = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:GetObjectVersionAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
    "s3:PutObjectVersionAcl": "WRITE_ACP",
}


class Access:
    """The caller's standing towards one bucket."""

    def __init__(self, context: Context, bucket: BucketRecord) -> None:
        self._context = context
        self._bucket = bucket
        self._settings = read_settings(context.db, bucket.id, _SETTINGS)
        self._is_provided = context.platform.objects.provided.holds(bucket)
        self._account = calling_account(context, bucket)

    @property
    def is_owner(self) -> bool:
        """Whether the caller belongs to the account that owns the bucket."""
        return self._account == self._bucket.account

    def demand(
        self,
        action: str,
        request: dict[str, Any],
        key: str | None = None,
        entry: ObjectEntry | None = None,
    ) -> None:
        """Return if the caller may do `action`.

        Raises:
            ApiError: AccessDenied.
        """
        if not self.allows(action, request, key, entry):
            raise fault("AccessDenied")

    def demand_for_missing(self, action: str, request: dict[str, Any], key: str) -> None:
        """Return if the caller may learn that `key` does not exist.

        Raises:
            ApiError: AccessDenied, to callers who may neither list the bucket nor, were it the
                owner's object, do `action` with it.
        """
        self._refuse_denied(action, request, key)
        listing = request | {"Prefix": key}
        if not self.allows("s3:ListBucket", listing):
            raise fault("AccessDenied")

    def allows(
        self,
        action: str,
        request: dict[str, Any],
        key: str | None = None,
        entry: ObjectEntry | None = None,
    ) -> bool:
        """Whether the caller may do `action` to the bucket, or to `key` in it."""
        if self._is_provided:
            return action in _PUBLIC_ACTIONS
        effect = self._policy_effect(action, request, key, entry)
        if effect == EXPLICIT_DENY:
            return self.is_owner and action in _POLICY_ACTIONS
        if self.is_owner and not self._is_foreign(action, entry):
            return True
        if effect is not None and not self._restricts_public():
            return True
        return self._lists_permit(action, entry)

    def _is_foreign(self, action: str, entry: ObjectEntry | None) -> bool:
        """Whether the action is another account's to allow, which wrote the object."""
        if entry is None or action not in _OBJECT_PERMISSIONS:
            return False
        if lists_disabled(self._settings):
            return False
        return bool(entry.attributes.get("Owner", self._account) != self._account)

    def _refuse_denied(self, action: str, request: dict[str, Any], key: str) -> None:
        if self._policy_effect(action, request, key, None) == EXPLICIT_DENY:
            raise fault("AccessDenied")

    def _policy_effect(
        self, action: str, request: dict[str, Any], key: str | None, entry: ObjectEntry | None
    ) -> str | None:
        """Return the effect of the bucket policy: allowed, denied, or None for neither."""
        text = self._settings.get("policy")
        if text is None:
            return None
        resource = f"arn:aws:s3:::{self._bucket.name}"
        access_request = AccessRequest(
            action=action,
            resource=resource if key is None else f"{resource}/{key}",
            context=condition_values(self._context, request, entry),
            principal="" if self._account is None else self._context.principal.arn,
        )
        policy = NamedPolicy(self._bucket.name, "Bucket", PolicyDocument.resource(text))
        decision = decide(PolicySet(resource=[policy]), access_request)
        if decision.effect == EXPLICIT_DENY:
            return EXPLICIT_DENY
        return decision.effect if decision.allowed else None

    def _restricts_public(self) -> bool:
        block = self._settings.get("public_access_block") or {}
        return bool(block.get("RestrictPublicBuckets")) and is_public_policy(
            self._settings["policy"]
        )

    def _lists_permit(self, action: str, entry: ObjectEntry | None) -> bool:
        if lists_disabled(self._settings):
            return False
        block = self._settings.get("public_access_block") or {}
        ignore_public = bool(block.get("IgnorePublicAcls"))
        if permission := _BUCKET_PERMISSIONS.get(action):
            grants = bucket_grants(self._bucket, self._settings)
            return permits(grants, permission, self._account, ignore_public=ignore_public)
        object_permission = _OBJECT_PERMISSIONS.get(action)
        if entry is None or object_permission is None:
            return False
        owning = self._account is not None and entry.attributes.get("Owner") == self._account
        if owning and object_permission != "READ":
            return True
        grants = object_grants(self._bucket, entry)
        return permits(grants, object_permission, self._account, ignore_public=ignore_public)


def calling_account(context: Context, bucket: BucketRecord) -> str | None:
    """Return the caller's account as `bucket` sees it; None for an anonymous caller.

    Where signatures are not checked, an unsigned request counts as one of the default account:
    in its own buckets it may do everything, for anyone else's it is anonymous.
    """
    principal = context.principal
    unsigned = not principal.access_key and context.account != bucket.account
    return None if principal.kind == "Anonymous" or unsigned else context.account


def check_lists_allowed(
    context: Context, bucket: BucketRecord, request: dict[str, Any], grants: Grants
) -> None:
    """Return if the bucket's settings allow these grants.

    Raises:
        ApiError: AccessControlListNotSupported where lists are turned off, AccessDenied where
            public ones are blocked.
    """
    settings = read_settings(context.db, bucket.id, _SETTINGS)
    if lists_disabled(settings) and request.get("ACL") != _HARMLESS:
        raise fault("AccessControlListNotSupported", BucketName=bucket.name)
    block = settings.get("public_access_block") or {}
    if block.get("BlockPublicAcls") and is_public(grants):
        raise fault("AccessDenied")


def bucket_grants(bucket: BucketRecord, settings: dict[str, Any]) -> Grants:
    """Return the bucket's access control list."""
    grants: Grants | None = settings.get("acl")
    return canned_grants("private", bucket.account, bucket.account) if grants is None else grants


def object_grants(bucket: BucketRecord, entry: ObjectEntry) -> Grants:
    """Return the object's access control list."""
    grants: Grants | None = entry.annotations.get("Grants")
    if grants is not None:
        return grants
    account = entry.attributes.get("Owner", bucket.account)
    return canned_grants("private", account, bucket.account)


def lists_disabled(settings: dict[str, Any]) -> bool:
    """Whether the bucket's ownership setting turns access control lists off."""
    return object_ownership(settings) == "BucketOwnerEnforced"


def object_ownership(settings: dict[str, Any]) -> str | None:
    """Return the bucket's `ObjectOwnership`, or None when it was never set."""
    ownership = settings.get("ownership")
    return None if ownership is None else ownership["Rules"][0]["ObjectOwnership"]
