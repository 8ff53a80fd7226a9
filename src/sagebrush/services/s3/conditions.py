"""Conditional requests: what If-Match and its kin mean for reading and writing.

Source: RFC 9110 section 13, and S3 user guide, "Conditional requests".
"""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault, invalid_argument


def not_modified(request: dict[str, Any], entry: ObjectEntry) -> bool:
    """Whether a read is answered with 304.

    Raises:
        ApiError: PreconditionFailed.
    """
    return _evaluate(
        entry,
        request.get("IfMatch"),
        request.get("IfNoneMatch"),
        request.get("IfModifiedSince"),
        request.get("IfUnmodifiedSince"),
    )


def check_copy_source(request: dict[str, Any], entry: ObjectEntry) -> None:
    """Return if the source of a copy meets the `CopySourceIf...` members.

    Raises:
        ApiError: PreconditionFailed.
    """
    unmodified = _evaluate(
        entry,
        request.get("CopySourceIfMatch"),
        request.get("CopySourceIfNoneMatch"),
        request.get("CopySourceIfModifiedSince"),
        request.get("CopySourceIfUnmodifiedSince"),
    )
    if unmodified:
        raise _failed("x-amz-copy-source-If-None-Match")


def check_write(context: Context, bucket: BucketRecord, request: dict[str, Any]) -> None:
    """Return if a write to the request's key may go ahead.

    Raises:
        ApiError: PreconditionFailed, NoSuchKey when `IfMatch` finds nothing.
    """
    if request.get("IfMatch") is None and request.get("IfNoneMatch") is None:
        return
    current = context.platform.objects.versions.newest(bucket, request["Key"])
    present = current is not None and not current.delete_marker
    if_match, if_none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if if_match is not None:
        if not present:
            raise fault("NoSuchKey", Key=request["Key"])
        assert current is not None
        if not _matches(if_match, current):
            raise _failed("If-Match")
    if if_none_match is not None and present:
        assert current is not None
        if _matches(if_none_match, current):
            raise _failed("If-None-Match")


def check_delete(
    current: ObjectEntry | None,
    etag: str | None,
    last_modified: float | None,
    size: int | None,
) -> None:
    """Return if a conditional delete may go ahead; no condition, no check.

    Raises:
        ApiError: PreconditionFailed. What is gone already meets every condition.
    """
    if current is None:
        return
    if etag is not None and not _matches(etag, current):
        raise _failed("If-Match")
    if last_modified is not None and int(current.last_modified) != int(last_modified):
        raise _failed("x-amz-if-match-last-modified-time")
    if size is not None and current.size != size:
        raise _failed("x-amz-if-match-size")


def _evaluate(
    entry: ObjectEntry,
    if_match: str | None,
    if_none_match: str | None,
    modified_since: float | None,
    unmodified_since: float | None,
) -> bool:
    # Times have whole seconds on the wire.
    modified = int(entry.last_modified)
    if if_match is not None:
        if not _matches(if_match, entry):
            raise _failed("If-Match")
    elif unmodified_since is not None and modified > unmodified_since:
        raise _failed("If-Unmodified-Since")
    if if_none_match is not None:
        return _matches(if_none_match, entry)
    return modified_since is not None and modified <= modified_since


def _matches(header: str, entry: ObjectEntry) -> bool:
    if header.strip() == "*":
        return True
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    if not any(tags):
        raise invalid_argument("Invalid entity tag", "ETag", header)
    return entry.etag in tags


def _failed(condition: str) -> Exception:
    return fault("PreconditionFailed", Condition=condition)
