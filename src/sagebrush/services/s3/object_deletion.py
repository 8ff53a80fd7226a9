"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import BucketRecord, ObjectNotFound
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import Access
from sagebrush.services.s3.conditions import check_delete
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.locks import check_deletable
from sagebrush.services.s3.names import check_key
from sagebrush.services.s3.object_attributes import object_owner
from sagebrush.services.s3.reach import find_bucket

_KEYS_AT_ONCE = 1000
_CONDITIONS = {
    "ETag": "IfMatch",
    "LastModifiedTime": "IfMatchLastModifiedTime",
    "Size": "IfMatchSize",
}


def delete_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a version, or hide the key behind a delete marker, as versioning asks."""
    bucket = find_bucket(context, request)
    return _delete(context, bucket, request)


def delete_objects(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete up to 1000 keys; each succeeds or fails by itself."""
    bucket = find_bucket(context, request)
    targets = request["Delete"]["Objects"]
    if not 1 <= len(targets) <= _KEYS_AT_ONCE:
        raise fault("MalformedXML")
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for target in targets:
        single = _single_request(request, target)
        named = {"Key": target["Key"], "VersionId": target.get("VersionId")}
        try:
            answer = _delete(context, bucket, single)
        except ApiError as error:
            errors.append(named | {"Code": error.code, "Message": error.message})
            continue
        if answer.get("DeleteMarker"):
            named |= {
                "DeleteMarker": True,
                "DeleteMarkerVersionId": answer.get("VersionId"),
            }
        deleted.append(named)
    if request["Delete"].get("Quiet"):
        deleted = []
    return {"Deleted": deleted, "Errors": errors}


def _single_request(request: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    single = {
        "Bucket": request["Bucket"],
        "Key": target["Key"],
        "VersionId": target.get("VersionId"),
        "BypassGovernanceRetention": request.get("BypassGovernanceRetention"),
    }
    for name, condition in _CONDITIONS.items():
        single[condition] = target.get(name)
    return single


def _delete(context: Context, bucket: BucketRecord, request: dict[str, Any]) -> dict[str, Any]:
    key, version_id = request["Key"], request.get("VersionId")
    check_key(key)
    action = "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion"
    Access(context, bucket).demand(action, request, key)
    if version_id is not None:
        return _delete_version(context, bucket, request)
    versions = context.platform.objects.versions
    newest = versions.newest(bucket, key)
    conditions = _conditions(request)
    if newest is None and conditions != (None, None, None):
        return {}
    check_delete(newest, *conditions)
    if bucket.versioning:
        owner = object_owner(context, bucket, request)
        marker = versions.put_delete_marker(bucket, key, {"Owner": owner}, now=context.now)
        return {"DeleteMarker": True, "VersionId": marker.version_id}
    if newest is not None:
        versions.remove(newest, bucket)
    return {}


def _delete_version(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> dict[str, Any]:
    key, version_id = request["Key"], request["VersionId"]
    versions = context.platform.objects.versions
    try:
        entry = versions.find(bucket, key, version_id)
    except ObjectNotFound:
        check_delete(None, *_conditions(request))
        return {"VersionId": version_id}
    check_delete(entry, *_conditions(request))
    check_deletable(context, bucket, entry, request)
    versions.remove(entry, bucket)
    return {"VersionId": version_id, "DeleteMarker": True if entry.delete_marker else None}


def _conditions(request: dict[str, Any]) -> tuple[str | None, float | None, int | None]:
    return (
        request.get("IfMatch"),
        request.get("IfMatchLastModifiedTime"),
        request.get("IfMatchSize"),
    )
