"""GetObjectAttributes."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.checksum_members import MEMBERS, checksum_members
from sagebrush.services.s3.encryption_headers import check_readable
from sagebrush.services.s3.faults import invalid_argument
from sagebrush.services.s3.reach import reach_object, version_member

_PAGE = 1000
_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")


def get_object_attributes(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return those attributes of a version that the request names."""
    bucket, entry = reach_object(context, request, "s3:GetObject")
    attributes = entry.attributes
    check_readable(request, attributes)
    wanted = request["ObjectAttributes"]
    for name in wanted:
        if name not in _ATTRIBUTES:
            raise invalid_argument(
                "Invalid attribute name specified.", "x-amz-object-attributes", name
            )
    checksums = checksum_members(attributes)
    available: dict[str, Any] = {
        "ETag": entry.etag,
        "Checksum": checksums or None,
        "StorageClass": attributes.get("StorageClass", "STANDARD"),
        "ObjectSize": entry.size,
    }
    answer = {name: available[name] for name in wanted if name != "ObjectParts"}
    if "ObjectParts" in wanted:
        answer["ObjectParts"] = _parts(context, request, entry)
    answer["LastModified"] = entry.last_modified
    answer["VersionId"] = version_member(bucket, entry)
    return answer


def _parts(context: Context, request: dict[str, Any], entry: ObjectEntry) -> dict[str, Any] | None:
    parts = context.platform.objects.versions.parts(entry)
    if parts is None:
        return None
    limit = request.get("MaxParts")
    limit = _PAGE if limit is None else min(limit, _PAGE)
    marker = request.get("PartNumberMarker") or 0
    rest = [part for part in parts if part["PartNumber"] > marker]
    shown = rest[:limit]
    answer: dict[str, Any] = {
        "TotalPartsCount": len(parts),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1]["PartNumber"] if shown else 0,
        "MaxParts": limit,
        "IsTruncated": len(rest) > limit,
    }
    # S3 lists the parts only of objects with a checksum other than the default one.
    answer["Parts"] = [
        {
            "PartNumber": part["PartNumber"],
            "Size": part["Size"],
            **{MEMBERS[name]: value for name, value in part["Checksums"].items()},
        }
        for part in shown
    ]
    return answer
