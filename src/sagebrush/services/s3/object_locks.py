"""Object lock configuration of buckets; retention and legal hold of versions."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.locks import (
    MODES,
    check_retention_change,
    checked_hold,
    checked_retention,
    demand_lock,
)
from sagebrush.services.s3.reach import reach_bucket, reach_object
from sagebrush.services.s3.settings import read_setting, write_setting


def put_object_lock_configuration(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Turn object lock on, or set the default retention of new versions."""
    bucket = reach_bucket(context, request, "s3:PutBucketObjectLockConfiguration")
    configuration = request.get("ObjectLockConfiguration") or {}
    if bucket.versioning != "Enabled":
        raise fault(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
    if configuration.get("ObjectLockEnabled") != "Enabled":
        raise fault("MalformedXML")
    rule = configuration.get("Rule")
    if rule is not None:
        _check_default((rule or {}).get("DefaultRetention") or {})
    context.platform.objects.buckets.enable_object_lock(bucket.name)
    write_setting(context.db, bucket.id, "object_lock", {"Rule": rule})
    return {}


def get_object_lock_configuration(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's object lock configuration."""
    bucket = reach_bucket(context, request, "s3:GetBucketObjectLockConfiguration")
    if not bucket.object_lock:
        raise fault("ObjectLockConfigurationNotFoundError", BucketName=bucket.name)
    stored = read_setting(context.db, bucket.id, "object_lock") or {}
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": stored.get("Rule")}}


def put_object_retention(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set, lengthen or (where allowed) take away a version's retention."""
    bucket, entry = reach_object(context, request, "s3:PutObjectRetention")
    demand_lock(bucket)
    given = request.get("Retention") or {}
    wanted = None
    if given:
        if given.get("Mode") not in MODES or given.get("RetainUntilDate") is None:
            raise fault("MalformedXML")
        wanted = checked_retention(context, given["Mode"], given["RetainUntilDate"])
    check_retention_change(context, bucket, entry, wanted, request)
    annotations = entry.annotations
    annotations.pop("Retention", None)
    if wanted is not None:
        annotations["Retention"] = wanted
    context.platform.objects.versions.annotate(entry, annotations)
    return {}


def get_object_retention(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return a version's retention."""
    bucket, entry = reach_object(context, request, "s3:GetObjectRetention")
    demand_lock(bucket)
    retention = entry.annotations.get("Retention")
    if retention is None:
        raise fault("NoSuchObjectLockConfiguration", Key=entry.key)
    return {"Retention": retention}


def put_object_legal_hold(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Put a version on hold, or take the hold away."""
    bucket, entry = reach_object(context, request, "s3:PutObjectLegalHold")
    demand_lock(bucket)
    status = checked_hold((request.get("LegalHold") or {}).get("Status"))
    annotations = entry.annotations | {"LegalHold": status}
    context.platform.objects.versions.annotate(entry, annotations)
    return {}


def get_object_legal_hold(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return a version's legal hold."""
    bucket, entry = reach_object(context, request, "s3:GetObjectLegalHold")
    demand_lock(bucket)
    status = entry.annotations.get("LegalHold")
    if status is None:
        raise fault("NoSuchObjectLockConfiguration", Key=entry.key)
    return {"LegalHold": {"Status": status}}


def _check_default(default: dict[str, Any]) -> None:
    if default.get("Mode") not in MODES:
        raise fault("MalformedXML")
    days, years = default.get("Days"), default.get("Years")
    if (days is None) == (years is None):
        raise fault("MalformedXML")
    if (days or years or 0) <= 0:
        raise fault("InvalidRetentionPeriod")
