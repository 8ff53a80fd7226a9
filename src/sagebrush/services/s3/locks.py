"""Object lock: retention periods and legal holds protect versions from removal.

Source: S3 user guide, "Locking objects with Object Lock".
"""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import Access
from sagebrush.services.s3.faults import fault

_PROTECTED = "Access Denied because object protected by object lock."


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
