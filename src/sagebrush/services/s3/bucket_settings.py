"""Versioning, tagging, CORS, encryption and lifecycle settings of buckets."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.cors import check_rules
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.lifecycle_rules import checked_rules
from sagebrush.services.s3.reach import reach_bucket
from sagebrush.services.s3.settings import delete_setting, read_setting, write_setting
from sagebrush.services.s3.tagging import BUCKET_TAGS, tag_set, tags_from_set

_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")


def put_bucket_versioning(context: Context, request: dict[str, Any]) -> None:
    """Turn versioning on, or suspend it."""
    bucket = reach_bucket(context, request, "s3:PutBucketVersioning")
    status = request["VersioningConfiguration"].get("Status")
    if status not in ("Enabled", "Suspended"):
        raise fault("MalformedXML")
    if bucket.object_lock and status == "Suspended":
        raise fault(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state"
            " cannot be changed.",
        )
    context.platform.objects.buckets.set_versioning(bucket.name, status)


def get_bucket_versioning(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return whether versioning is on; nothing where it never was."""
    bucket = reach_bucket(context, request, "s3:GetBucketVersioning")
    return {"Status": bucket.versioning or None}


def put_bucket_tagging(context: Context, request: dict[str, Any]) -> None:
    """Replace the bucket's tags."""
    bucket = reach_bucket(context, request, "s3:PutBucketTagging")
    tags = tags_from_set(request["Tagging"]["TagSet"], BUCKET_TAGS)
    write_setting(context.db, bucket.id, "tagging", tags)


def get_bucket_tagging(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's tags."""
    bucket = reach_bucket(context, request, "s3:GetBucketTagging")
    tags = read_setting(context.db, bucket.id, "tagging")
    if not tags:
        raise fault("NoSuchTagSet", BucketName=bucket.name)
    return {"TagSet": tag_set(tags)}


def delete_bucket_tagging(context: Context, request: dict[str, Any]) -> None:
    """Take the bucket's tags away."""
    bucket = reach_bucket(context, request, "s3:PutBucketTagging")
    delete_setting(context.db, bucket.id, "tagging")


def put_bucket_cors(context: Context, request: dict[str, Any]) -> None:
    """Replace the rules for cross-origin requests."""
    bucket = reach_bucket(context, request, "s3:PutBucketCORS")
    rules = request["CORSConfiguration"]["CORSRules"]
    check_rules(rules)
    write_setting(context.db, bucket.id, "cors", rules)


def get_bucket_cors(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the rules for cross-origin requests."""
    bucket = reach_bucket(context, request, "s3:GetBucketCORS")
    rules = read_setting(context.db, bucket.id, "cors")
    if rules is None:
        raise fault("NoSuchCORSConfiguration", BucketName=bucket.name)
    return {"CORSRules": rules}


def delete_bucket_cors(context: Context, request: dict[str, Any]) -> None:
    """Allow no cross-origin requests."""
    bucket = reach_bucket(context, request, "s3:PutBucketCORS")
    delete_setting(context.db, bucket.id, "cors")


def put_bucket_encryption(context: Context, request: dict[str, Any]) -> None:
    """Set the encryption that new objects are said to have (the bytes stay as they are)."""
    bucket = reach_bucket(context, request, "s3:PutEncryptionConfiguration")
    configuration = request["ServerSideEncryptionConfiguration"]
    rules = configuration["Rules"]
    for rule in rules:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        if default.get("SSEAlgorithm", _ENCRYPTIONS[0]) not in _ENCRYPTIONS:
            raise fault("MalformedXML")
        if default.get("SSEAlgorithm") == "AES256" and default.get("KMSMasterKeyID"):
            raise fault("InvalidArgument", "a KMSMasterKeyID is not applicable with AES256")
    if len(rules) != 1:
        raise fault("MalformedXML")
    write_setting(context.db, bucket.id, "encryption", configuration)


def get_bucket_encryption(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's default encryption."""
    bucket = reach_bucket(context, request, "s3:GetEncryptionConfiguration")
    configuration = read_setting(context.db, bucket.id, "encryption")
    if configuration is None:
        raise fault("ServerSideEncryptionConfigurationNotFoundError", BucketName=bucket.name)
    return {"ServerSideEncryptionConfiguration": configuration}


def delete_bucket_encryption(context: Context, request: dict[str, Any]) -> None:
    """Take the bucket's default encryption away."""
    bucket = reach_bucket(context, request, "s3:PutEncryptionConfiguration")
    delete_setting(context.db, bucket.id, "encryption")


def put_bucket_lifecycle_configuration(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the lifecycle rules."""
    bucket = reach_bucket(context, request, "s3:PutLifecycleConfiguration")
    rules = checked_rules((request.get("LifecycleConfiguration") or {}).get("Rules") or [])
    write_setting(context.db, bucket.id, "lifecycle", rules)
    return {"TransitionDefaultMinimumObjectSize": request.get("TransitionDefaultMinimumObjectSize")}


def get_bucket_lifecycle_configuration(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the lifecycle rules."""
    bucket = reach_bucket(context, request, "s3:GetLifecycleConfiguration")
    rules = read_setting(context.db, bucket.id, "lifecycle")
    if rules is None:
        raise fault("NoSuchLifecycleConfiguration", BucketName=bucket.name)
    return {"Rules": rules}


def delete_bucket_lifecycle(context: Context, request: dict[str, Any]) -> None:
    """Take the lifecycle rules away."""
    bucket = reach_bucket(context, request, "s3:PutLifecycleConfiguration")
    delete_setting(context.db, bucket.id, "lifecycle")
