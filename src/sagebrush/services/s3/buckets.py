"""CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketExists, BucketNotEmpty, BucketRecord
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.grants import requested_grants
from sagebrush.services.s3.names import check_bucket_name
from sagebrush.services.s3.owners import owner
from sagebrush.services.s3.reach import reach_bucket
from sagebrush.services.s3.settings import write_setting

_HOME_REGION = "us-east-1"
_MAXIMUM_BUCKETS = 10_000


def create_bucket(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a bucket. Making one's own again is an error, but in us-east-1 (as on AWS)."""
    name = request["Bucket"]
    if context.principal.kind == "Anonymous":
        raise fault("AccessDenied")
    check_bucket_name(name)
    configuration = request.get("CreateBucketConfiguration") or {}
    region = _region(context, configuration)
    try:
        bucket = context.platform.objects.buckets.create(
            context.account,
            region,
            name,
            context.now,
            object_lock=bool(request.get("ObjectLockEnabledForBucket")),
        )
    except BucketExists as error:
        if error.account != context.account:
            raise fault("BucketAlreadyExists", BucketName=name) from None
        if region != _HOME_REGION:
            raise fault("BucketAlreadyOwnedByYou", BucketName=name) from None
        return {"Location": f"/{name}"}
    _set_grants(context, bucket, request)
    if ownership := request.get("ObjectOwnership"):
        write_setting(
            context.db, bucket.id, "ownership", {"Rules": [{"ObjectOwnership": ownership}]}
        )
    if tags := configuration.get("Tags"):
        write_setting(context.db, bucket.id, "tagging", {tag["Key"]: tag["Value"] for tag in tags})
    return {"Location": f"/{name}"}


def _set_grants(context: Context, bucket: BucketRecord, request: dict[str, Any]) -> None:
    grants = requested_grants(request, bucket.account, bucket.account)
    if grants is None:
        return
    enforced = request.get("ObjectOwnership") == "BucketOwnerEnforced"
    if enforced and request.get("ACL") != "private":
        raise fault("InvalidBucketAclWithObjectOwnership", BucketName=bucket.name)
    write_setting(context.db, bucket.id, "acl", grants)


def head_bucket(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether the bucket exists, and its region."""
    bucket = reach_bucket(context, request, "s3:ListBucket")
    return {
        "BucketRegion": bucket.region,
        "BucketArn": f"arn:aws:s3:::{bucket.name}",
        "AccessPointAlias": False,
    }


def delete_bucket(context: Context, request: dict[str, Any]) -> None:
    """Remove an empty bucket and everything configured for it."""
    bucket = reach_bucket(context, request, "s3:DeleteBucket")
    try:
        context.platform.objects.buckets.delete(bucket.name)
    except BucketNotEmpty:
        raise fault("BucketNotEmpty", BucketName=bucket.name) from None


def list_buckets(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List the caller's buckets by name."""
    if context.principal.kind == "Anonymous":
        raise fault("AccessDenied")
    limit = request.get("MaxBuckets") or _MAXIMUM_BUCKETS
    token = request.get("ContinuationToken")
    start_after = decode_token(token, "InvalidArgument")[0] if token else ""
    prefix, region = request.get("Prefix"), request.get("BucketRegion")
    records = context.platform.objects.buckets.list(
        context.account, start_after=start_after, prefix=prefix or ""
    )
    chosen = [record for record in records if region in (None, record.region)]
    answer: dict[str, Any] = {
        "Buckets": [
            {
                "Name": record.name,
                "CreationDate": record.created,
                "BucketRegion": record.region,
            }
            for record in chosen[:limit]
        ],
        "Owner": owner(context.account),
        "Prefix": prefix,
    }
    if len(chosen) > limit:
        answer["ContinuationToken"] = encode_token([chosen[limit - 1].name])
    return answer


def get_bucket_location(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's region; nothing for us-east-1, as ever."""
    bucket = reach_bucket(context, request, "s3:GetBucketLocation")
    region = bucket.region
    return {"LocationConstraint": None if region == _HOME_REGION else region}


def _region(context: Context, configuration: dict[str, Any]) -> str:
    constraint: str | None = configuration.get("LocationConstraint")
    if constraint is None:
        return context.region
    return "eu-west-1" if constraint == "EU" else constraint
