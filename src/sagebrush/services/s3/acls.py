"""GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import bucket_grants, check_lists_allowed, object_grants
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.grants import Grants, policy_grants, requested_grants
from sagebrush.services.s3.owners import owner
from sagebrush.services.s3.reach import reach_bucket, reach_object, version_member
from sagebrush.services.s3.settings import read_settings, write_setting

_SETTINGS = ("acl", "ownership", "public_access_block")


def get_bucket_acl(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's owner and grants."""
    bucket = reach_bucket(context, request, "s3:GetBucketAcl")
    settings = read_settings(context.db, bucket.id, _SETTINGS)
    return {"Owner": owner(bucket.account), "Grants": bucket_grants(bucket, settings)}


def put_bucket_acl(context: Context, request: dict[str, Any]) -> None:
    """Replace the bucket's grants."""
    bucket = reach_bucket(context, request, "s3:PutBucketAcl")
    grants = _wanted(request, bucket.account, bucket)
    check_lists_allowed(context, bucket, request, grants)
    write_setting(context.db, bucket.id, "acl", grants)


def get_object_acl(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the object's owner and grants."""
    bucket, entry = reach_object(context, request, "s3:GetObjectAcl")
    account = entry.attributes.get("Owner", bucket.account)
    return {"Owner": owner(account), "Grants": object_grants(bucket, entry)}


def put_object_acl(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the object's grants."""
    bucket, entry = reach_object(context, request, "s3:PutObjectAcl")
    account = entry.attributes.get("Owner", bucket.account)
    grants = _wanted(request, account, bucket)
    check_lists_allowed(context, bucket, request, grants)
    annotations = entry.annotations | {"Grants": grants}
    context.platform.objects.versions.annotate(entry, annotations)
    context.extra_headers |= _version_header(version_member(bucket, entry))
    return {}


def _wanted(request: dict[str, Any], account: str, bucket: BucketRecord) -> Grants:
    policy = request.get("AccessControlPolicy")
    grants = requested_grants(request, account, bucket.account)
    if grants is not None:
        if policy:
            raise fault("UnexpectedContent")
        return grants
    if not policy:
        raise fault("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    return policy_grants(policy, account)


def _version_header(version_id: str | None) -> dict[str, str]:
    return {} if version_id is None else {"x-amz-version-id": version_id}
