"""From a request to the bucket or object it may touch."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import BucketRecord, ObjectEntry, ObjectNotFound
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import Access
from sagebrush.services.s3.cors import answer_headers, matching_rule, method_of
from sagebrush.services.s3.faults import fault, no_such_bucket
from sagebrush.services.s3.settings import read_setting

DELETE_MARKER_HEADER = "x-amz-delete-marker"
VERSION_HEADER = "x-amz-version-id"


def reach_bucket(
    context: Context, request: dict[str, Any], action: str, *, key: str | None = None
) -> BucketRecord:
    """Return the request's bucket if the caller may do `action` (`s3:ListBucket`...) there.

    Raises:
        ApiError: NoSuchBucket, or AccessDenied also when it is not the expected owner's.
    """
    bucket = find_bucket(context, request)
    Access(context, bucket).demand(action, request, key)
    return bucket


def find_bucket(context: Context, request: dict[str, Any]) -> BucketRecord:
    """Return the request's bucket without asking who may do what.

    Raises:
        ApiError: NoSuchBucket, or AccessDenied when it is not the expected owner's.
    """
    name = request["Bucket"]
    bucket = context.platform.objects.bucket(name)
    if bucket is None:
        raise no_such_bucket(name)
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and expected != bucket.account:
        raise fault("AccessDenied")
    if context.origin is not None:
        _share_with_origin(context, bucket, context.origin)
    return bucket


def _share_with_origin(context: Context, bucket: BucketRecord, origin: str) -> None:
    """Let the page that a browser asks for see the answer, if the bucket's rules say so."""
    rules = read_setting(context.db, bucket.id, "cors")
    rule = matching_rule(rules or [], origin, method_of(context.operation), [])
    if rule is not None:
        context.extra_headers |= answer_headers(rule, origin)


def reach_object(
    context: Context, request: dict[str, Any], action: str
) -> tuple[BucketRecord, ObjectEntry]:
    """Return the request's bucket and existing version, if the caller may do `action` with it.

    `action` is the one for the current version (`s3:GetObject`); for a named version the model's
    `...Version` form is demanded.

    Raises:
        ApiError: NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker, or
            AccessDenied (also for a missing key, to callers who may not list the bucket).
    """
    bucket = find_bucket(context, request)
    access = Access(context, bucket)
    key, version_id = request["Key"], request.get("VersionId")
    try:
        entry = context.platform.objects.versions.find(bucket, key, version_id)
    except ObjectNotFound:
        access.demand_for_missing(action, request, key)
        raise _missing(key, version_id) from None
    if entry.delete_marker:
        access.demand_for_missing(action, request, key)
        raise _marked(entry, version_id)
    access.demand(_versioned(action, version_id), request, key, entry)
    return bucket, entry


def version_member(bucket: BucketRecord, entry: ObjectEntry) -> str | None:
    """Return the `VersionId` an answer about `entry` carries: none before versioning."""
    return entry.version_id if bucket.versioning else None


def new_version_member(bucket: BucketRecord, entry: ObjectEntry) -> str | None:
    """Return the `VersionId` that answers a write: none but under versioning."""
    return entry.version_id if bucket.versioning == "Enabled" else None


def _versioned(action: str, version_id: str | None) -> str:
    if version_id is None or not action.startswith(("s3:GetObject", "s3:PutObject")):
        return action
    verb, rest = action[:12], action[12:]
    return f"{verb}Version{rest}"


def _missing(key: str, version_id: str | None) -> ApiError:
    if version_id is not None:
        return fault("NoSuchVersion", Key=key, VersionId=version_id)
    return fault("NoSuchKey", Key=key)


def _marked(entry: ObjectEntry, version_id: str | None) -> ApiError:
    headers = {DELETE_MARKER_HEADER: "true", VERSION_HEADER: entry.version_id}
    if version_id is None:
        return fault("NoSuchKey", Key=entry.key, **headers)
    return fault("MethodNotAllowed", Method="GET", ResourceType="DeleteMarker", **headers)
