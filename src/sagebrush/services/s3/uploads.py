"""CreateMultipartUpload, AbortMultipartUpload, ListMultipartUploads, ListParts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sagebrush.engines.objects import UploadEntry
from sagebrush.engines.objects.checksums import ALGORITHMS
from sagebrush.services.platform import Context
from sagebrush.services.s3.annotations import new_annotations
from sagebrush.services.s3.checksum_members import MEMBERS, upload_checksum_type
from sagebrush.services.s3.encryption_headers import encryption_members
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.object_attributes import object_attributes
from sagebrush.services.s3.owners import owner
from sagebrush.services.s3.reach import reach_bucket
from sagebrush.services.s3.upload_lookup import find_upload, upload_checksum

_PAGE = 1000


def create_multipart_upload(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin an upload in parts; everything about the object but its bytes is fixed now."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    attributes = object_attributes(context, bucket, request)
    algorithm, wanted = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
    if algorithm is not None:
        if algorithm not in ALGORITHMS:
            raise fault("NotImplemented", f"Checksum algorithm {algorithm} is not supported.")
        attributes["UploadChecksum"] = [algorithm, upload_checksum_type(algorithm, wanted)]
    elif wanted is not None:
        raise fault(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
            " header.",
        )
    upload = context.platform.objects.uploads.create(
        bucket,
        request["Key"],
        attributes,
        now=context.now,
        annotations=new_annotations(context, bucket, request, attributes["Owner"]),
    )
    checksum = upload_checksum(upload)
    return {
        "Bucket": bucket.name,
        "Key": request["Key"],
        "UploadId": upload.upload_id,
        "ChecksumAlgorithm": checksum[0] if checksum else None,
        "ChecksumType": checksum[1] if checksum else None,
        **encryption_members(attributes),
    }


def abort_multipart_upload(context: Context, request: dict[str, Any]) -> None:
    """Forget an upload and its parts."""
    bucket = reach_bucket(context, request, "s3:AbortMultipartUpload", key=request["Key"])
    upload = find_upload(context, bucket, request)
    initiated = request.get("IfMatchInitiatedTime")
    if initiated is not None and int(initiated) != int(upload.initiated):
        raise fault("PreconditionFailed", Condition="x-amz-if-match-initiated-time")
    context.platform.objects.uploads.remove(upload)


def list_parts(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List the parts of an upload by number."""
    bucket = reach_bucket(context, request, "s3:ListMultipartUploadParts", key=request["Key"])
    upload = find_upload(context, bucket, request)
    limit = min(_given(request.get("MaxParts"), _PAGE), _PAGE)
    marker = request.get("PartNumberMarker") or 0
    parts = [
        part
        for part in context.platform.objects.uploads.parts(upload.upload_id)
        if part.number > marker
    ]
    checksum = upload_checksum(upload)
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": parts[:limit][-1].number if parts[:limit] else 0,
        "MaxParts": limit,
        "IsTruncated": len(parts) > limit,
        "Initiator": owner(upload.attributes["Owner"]),
        "Owner": owner(upload.attributes["Owner"]),
        "StorageClass": upload.attributes.get("StorageClass", "STANDARD"),
        "ChecksumAlgorithm": checksum[0] if checksum else None,
        "ChecksumType": checksum[1] if checksum else None,
    }
    answer["Parts"] = [
        {
            "PartNumber": part.number,
            "LastModified": part.modified,
            "ETag": f'"{part.etag}"',
            "Size": part.size,
            **{MEMBERS[name]: value for name, value in part.checksums.items()},
        }
        for part in parts[:limit]
    ]
    return answer


def list_multipart_uploads(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List uploads under way by key, then by the time they began."""
    bucket = reach_bucket(context, request, "s3:ListBucketMultipartUploads")
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    limit = min(_given(request.get("MaxUploads"), _PAGE), _PAGE)
    encoding = request.get("EncodingType")
    entries = context.platform.objects.uploads.list(
        bucket, prefix=prefix, key_marker=key_marker, id_marker=id_marker
    )
    shown, prefixes, is_truncated = _page(entries, prefix, delimiter, key_marker, limit)
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "KeyMarker": _encoded(key_marker, encoding),
        "UploadIdMarker": id_marker,
        "Prefix": _encoded(prefix, encoding),
        "Delimiter": _encoded(delimiter, encoding) if delimiter else None,
        "EncodingType": encoding,
        "MaxUploads": limit,
        "IsTruncated": is_truncated,
        "CommonPrefixes": [{"Prefix": _encoded(text, encoding)} for text in prefixes],
        "Uploads": [_upload(entry, encoding) for entry in shown],
    }
    if is_truncated and limit:
        last_key = max([entry.key for entry in shown[-1:]] + prefixes[-1:])
        answer["NextKeyMarker"] = _encoded(last_key, encoding)
        if shown and shown[-1].key == last_key:
            answer["NextUploadIdMarker"] = shown[-1].upload_id
    return answer


def _page(
    entries: list[UploadEntry], prefix: str, delimiter: str, key_marker: str, limit: int
) -> tuple[list[UploadEntry], list[str], bool]:
    """Return (uploads, common prefixes, is there more) of one page."""
    shown: list[UploadEntry] = []
    prefixes: list[str] = []
    for entry in entries:
        found = entry.key.find(delimiter, len(prefix)) if delimiter else -1
        rolled = entry.key[: found + len(delimiter)] if found >= 0 else None
        if rolled is not None and (rolled in prefixes[-1:] or rolled == key_marker):
            continue
        if len(shown) + len(prefixes) == limit:
            return shown, prefixes, True
        if rolled is None:
            shown.append(entry)
        else:
            prefixes.append(rolled)
    return shown, prefixes, False


def _upload(entry: UploadEntry, encoding: str | None) -> dict[str, Any]:
    checksum = upload_checksum(entry)
    return {
        "UploadId": entry.upload_id,
        "Key": _encoded(entry.key, encoding),
        "Initiated": entry.initiated,
        "StorageClass": entry.attributes.get("StorageClass", "STANDARD"),
        "Owner": owner(entry.attributes["Owner"]),
        "Initiator": owner(entry.attributes["Owner"]),
        "ChecksumAlgorithm": checksum[0] if checksum else None,
        "ChecksumType": checksum[1] if checksum else None,
    }


def _encoded(text: str, encoding: str | None) -> str:
    return quote(text, safe="/", errors="surrogatepass") if encoding == "url" else text


def _given(value: int | None, default: int) -> int:
    return default if value is None else value
