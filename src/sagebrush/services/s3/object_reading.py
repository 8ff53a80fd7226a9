"""GetObject and HeadObject."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.checksum_members import checksum_members
from sagebrush.services.s3.conditions import not_modified
from sagebrush.services.s3.encryption_headers import check_readable, encryption_members
from sagebrush.services.s3.faults import fault, invalid_argument
from sagebrush.services.s3.object_attributes import HEADERS
from sagebrush.services.s3.ranges import read_range
from sagebrush.services.s3.reach import reach_object, version_member
from sagebrush.services.s3.tagging import tag_count

_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


def get_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return an object, a range or a part of it."""
    bucket, entry = reach_object(context, request, "s3:GetObject")
    reading = _Reading(context, request, bucket, entry)
    if reading.attributes.get("StorageClass") in ARCHIVED and "Restore" not in entry.annotations:
        raise fault("InvalidObjectState", StorageClass=reading.attributes["StorageClass"])
    members = reading.members()
    if context.status == 304:
        return members | {"Body": b""}
    body = context.platform.objects.body(entry, reading.offset, reading.length)
    return members | {"Body": body}


def head_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return what GetObject would, without the bytes."""
    bucket, entry = reach_object(context, request, "s3:GetObject")
    return _Reading(context, request, bucket, entry).members()


class _Reading:
    """One answer about one version: which bytes, which members."""

    def __init__(
        self,
        context: Context,
        request: dict[str, Any],
        bucket: BucketRecord,
        entry: ObjectEntry,
    ) -> None:
        self._context = context
        self._request = request
        self._bucket = bucket
        self._entry = entry
        self.attributes = entry.attributes
        self.offset = 0
        self.length = entry.size

    def members(self) -> dict[str, Any]:
        """Return the answer's members and set its status."""
        request, entry = self._request, self._entry
        check_readable(request, self.attributes)
        if not_modified(request, entry):
            self._context.status = 304
            return self._validators()
        partial = self._choose_bytes()
        members = self._validators() | self._description() | partial
        members["ContentLength"] = self.length
        return members

    def _validators(self) -> dict[str, Any]:
        return {
            "ETag": f'"{self._entry.etag}"',
            "LastModified": self._entry.last_modified,
            "VersionId": version_member(self._bucket, self._entry),
            "CacheControl": self.attributes.get("CacheControl"),
            "Expires": self.attributes.get("Expires"),
        }

    def _description(self) -> dict[str, Any]:
        attributes = self.attributes
        annotations = self._entry.annotations
        members = {name: attributes[name] for name in HEADERS if name in attributes}
        for override, name in _OVERRIDES.items():
            if self._request.get(override) is not None:
                members[name] = self._request[override]
        members |= encryption_members(attributes)
        members |= {
            "AcceptRanges": "bytes",
            "Metadata": attributes.get("Metadata"),
            "StorageClass": attributes.get("StorageClass"),
            "TagCount": tag_count(annotations),
            "Restore": annotations.get("Restore"),
        }
        if retention := annotations.get("Retention"):
            members["ObjectLockMode"] = retention["Mode"]
            members["ObjectLockRetainUntilDate"] = retention["RetainUntilDate"]
        members["ObjectLockLegalHoldStatus"] = annotations.get("LegalHold")
        return members

    def _choose_bytes(self) -> dict[str, Any]:
        """Decide on the bytes to send and return the members that say so."""
        part_number, header = self._request.get("PartNumber"), self._request.get("Range")
        if part_number is not None:
            if header is not None:
                raise fault(
                    "InvalidRequest", "Cannot specify both Range header and partNumber query"
                )
            return self._choose_part(part_number)
        chosen = read_range(header, self._entry.size)
        if chosen is None:
            if self._request.get("ChecksumMode") == "ENABLED":
                return dict(checksum_members(self.attributes))
            return {}
        self.offset, self.length = chosen
        return self._partial()

    def _choose_part(self, number: int) -> dict[str, Any]:
        parts = self._context.platform.objects.versions.parts(self._entry)
        if parts is None:
            if number != 1:
                raise fault("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=1)
            if self._entry.size == 0:
                return {}
            return self._partial()
        if not 1 <= number <= len(parts):
            if number < 1:
                raise invalid_argument(
                    "Part number must be an integer between 1 and 10000, inclusive",
                    "partNumber",
                    number,
                )
            raise fault("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=len(parts))
        self.offset = sum(part["Size"] for part in parts[: number - 1])
        self.length = parts[number - 1]["Size"]
        members = self._partial() | {"PartsCount": len(parts)}
        if self._request.get("ChecksumMode") == "ENABLED":
            members |= checksum_members(
                {
                    "Checksums": parts[number - 1].get("Checksums"),
                    "ChecksumType": self.attributes.get("ChecksumType"),
                }
            )
        return members

    def _partial(self) -> dict[str, Any]:
        self._context.status = 206
        last = self.offset + self.length - 1
        return {"ContentRange": f"bytes {self.offset}-{last}/{self._entry.size}"}
