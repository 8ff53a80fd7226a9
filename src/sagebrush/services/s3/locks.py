"""Object lock: retention periods and legal holds protect versions from removal.

Source: S3 user guide, "Locking objects with Object Lock".
"""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import Access
from sagebrush.services.s3.faults import fault, invalid_argument
from sagebrush.services.s3.settings import read_setting

MODES = ("GOVERNANCE", "COMPLIANCE")
HOLDS = ("ON", "OFF")
_PROTECTED = "Access Denied because object protected by object lock."
_DAY_S = 86_400.0
_DAYS_PER_YEAR = 365


def requested_lock(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the `Retention` and `LegalHold` annotations of a new version.

    They come from the request, else from the bucket's default retention.

    Raises:
        ApiError: InvalidRequest where the bucket has no object lock, InvalidArgument.
    """
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    annotations: dict[str, Any] = {}
    if mode is None and until is None and hold is None:
        return _default_retention(context, bucket)
    demand_lock(bucket)
    if (mode is None) != (until is None):
        raise invalid_argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            "x-amz-object-lock-mode" if until is None else "x-amz-object-lock-retain-until-date",
            mode or until,
        )
    if mode is not None and until is not None:
        annotations["Retention"] = checked_retention(context, mode, until)
    else:
        annotations |= _default_retention(context, bucket)
    if hold is not None:
        annotations["LegalHold"] = checked_hold(hold)
    return annotations


def checked_retention(context: Context, mode: str, until: float) -> dict[str, Any]:
    """Return a retention.

    Raises:
        ApiError: MalformedXML for an unknown mode, InvalidArgument for a date in the past.
    """
    if mode not in MODES:
        raise fault("MalformedXML")
    if until <= context.now:
        raise invalid_argument(
            "The retain until date must be in the future!",
            "x-amz-object-lock-retain-until-date",
            until,
        )
    return {"Mode": mode, "RetainUntilDate": until}


def checked_hold(status: str | None) -> str:
    """Return a legal hold's status.

    Raises:
        ApiError: MalformedXML.
    """
    if status not in HOLDS:
        raise fault("MalformedXML")
    return str(status)


def demand_lock(bucket: BucketRecord) -> None:
    """Return if the bucket has object lock.

    Raises:
        ApiError: InvalidRequest.
    """
    if not bucket.object_lock:
        raise fault("InvalidRequest", "Bucket is missing Object Lock Configuration")


def check_deletable(
    context: Context, bucket: BucketRecord, entry: ObjectEntry, request: dict[str, Any]
) -> None:
    """Return if nothing protects the version.

    Raises:
        ApiError: AccessDenied.
    """
    annotations = entry.annotations
    if annotations.get("LegalHold") == "ON":
        raise fault("AccessDenied", _PROTECTED)
    retention = annotations.get("Retention")
    if retention is None or retention["RetainUntilDate"] <= context.now:
        return
    if retention["Mode"] == "GOVERNANCE" and request.get("BypassGovernanceRetention"):
        Access(context, bucket).demand("s3:BypassGovernanceRetention", request, entry.key)
        return
    raise fault("AccessDenied", _PROTECTED)


def check_retention_change(
    context: Context,
    bucket: BucketRecord,
    entry: ObjectEntry,
    wanted: dict[str, Any] | None,
    request: dict[str, Any],
) -> None:
    """Return if a version's retention may become `wanted`.

    A running retention may be lengthened; weaker ones need the bypass, and COMPLIANCE none has.

    Raises:
        ApiError: AccessDenied.
    """
    running = entry.annotations.get("Retention")
    if running is None or running["RetainUntilDate"] <= context.now:
        return
    same_mode = wanted is not None and wanted["Mode"] == running["Mode"]
    lengthens = wanted is not None and wanted["RetainUntilDate"] >= running["RetainUntilDate"]
    if same_mode and lengthens:
        return
    if running["Mode"] == "GOVERNANCE" and request.get("BypassGovernanceRetention"):
        Access(context, bucket).demand("s3:BypassGovernanceRetention", request, entry.key)
        return
    raise fault("AccessDenied", _PROTECTED)


def _default_retention(context: Context, bucket: BucketRecord) -> dict[str, Any]:
    if not bucket.object_lock:
        return {}
    configuration = read_setting(context.db, bucket.id, "object_lock")
    default = ((configuration or {}).get("Rule") or {}).get("DefaultRetention")
    if default is None:
        return {}
    days = default.get("Days") or default["Years"] * _DAYS_PER_YEAR
    until = context.now + days * _DAY_S
    return {"Retention": {"Mode": default["Mode"], "RetainUntilDate": until}}
