"""CompleteMultipartUpload."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from sagebrush.engines.objects import (
    Blob,
    BucketRecord,
    ObjectEntry,
    PartEntry,
    UploadEntry,
    UploadNotFound,
)
from sagebrush.engines.objects.checksums import composite, full_object, multipart_etag
from sagebrush.services.platform import Context
from sagebrush.services.s3.checksum_members import FULL_OBJECT, MEMBERS, checksum_members
from sagebrush.services.s3.conditions import check_write
from sagebrush.services.s3.encryption_headers import (
    check_upload_key,
    customer_key,
    encryption_members,
)
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.names import PART_BYTES_MIN
from sagebrush.services.s3.reach import find_bucket, new_version_member, reach_bucket
from sagebrush.services.s3.upload_lookup import find_upload, upload_checksum


async def complete_multipart_upload(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Turn the named parts into the object; asking again for the same upload is no error."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    earlier = _completed_before(context, bucket, request)
    if earlier is not None:
        return _answer(context, bucket, earlier)
    upload = find_upload(context, bucket, request)
    if customer_key(request):
        check_upload_key(request, upload.attributes)
    named = (request.get("MultipartUpload") or {}).get("Parts") or []
    objects = context.platform.objects
    parts = _chosen_parts(named, objects.uploads.parts(upload.upload_id), upload)
    checksums = _checksums(upload, parts, request)
    size = request.get("MpuObjectSize")
    if size is not None and size != sum(part.size for part in parts):
        raise fault(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {size} does not match what was"
            f" computed: {sum(part.size for part in parts)}",
        )
    check_write(context, bucket, request)
    try:
        blob = await objects.assemble(parts)
    except FileNotFoundError:
        raise fault("NoSuchUpload", UploadId=upload.upload_id) from None
    try:
        with context.db.transaction():
            bucket = find_bucket(context, request)
            check_write(context, bucket, request)
            entry = _record(context, bucket, upload, parts, blob, checksums)
            objects.uploads.remove(upload)
    except UploadNotFound:
        objects.discard(blob)
        raise fault("NoSuchUpload", UploadId=upload.upload_id) from None
    except BaseException:
        objects.discard(blob)
        raise
    return _answer(context, bucket, entry)


def _completed_before(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> ObjectEntry | None:
    newest = context.platform.objects.versions.newest(bucket, request["Key"])
    if newest is None or newest.attributes.get("UploadId") != request["UploadId"]:
        return None
    return newest


def _chosen_parts(
    named: list[dict[str, Any]], stored: Sequence[PartEntry], upload: UploadEntry
) -> list[PartEntry]:
    """Return the named parts in order, checked against what was uploaded.

    Raises:
        ApiError: MalformedXML, InvalidPartOrder, InvalidPart, EntityTooSmall.
    """
    if not named:
        raise fault("MalformedXML")
    if any(part.get("PartNumber") is None for part in named):
        raise fault("MalformedXML")
    numbers = [part["PartNumber"] for part in named]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise fault("InvalidPartOrder", UploadId=upload.upload_id)
    by_number = {part.number: part for part in stored}
    chosen: list[PartEntry] = []
    for claim in named:
        part = by_number.get(claim["PartNumber"])
        if part is None or not _agrees(claim, part):
            raise fault(
                "InvalidPart",
                UploadId=upload.upload_id,
                PartNumber=claim["PartNumber"],
                ETag=claim.get("ETag"),
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < PART_BYTES_MIN:
            raise fault(
                "EntityTooSmall",
                ProposedSize=part.size,
                MinSizeAllowed=PART_BYTES_MIN,
                PartNumber=part.number,
                ETag=part.etag,
            )
    return chosen


def _agrees(claim: dict[str, Any], part: PartEntry) -> bool:
    if (claim.get("ETag") or "").strip('"') != part.etag:
        return False
    return all(
        claim.get(member) in (None, part.checksums.get(algorithm, claim.get(member)))
        for algorithm, member in MEMBERS.items()
    )


def _checksums(
    upload: UploadEntry, parts: list[PartEntry], request: dict[str, Any]
) -> dict[str, str]:
    """Return the finished object's checksum, compared with the one the request names.

    Raises:
        ApiError: BadDigest.
    """
    declared = upload_checksum(upload)
    if declared is None:
        return {}
    algorithm, kind = declared
    if kind == FULL_OBJECT:
        value = full_object(algorithm, [(part.checksums[algorithm], part.size) for part in parts])
    else:
        value = composite(algorithm, [part.checksums[algorithm] for part in parts])
    given = request.get(MEMBERS[algorithm])
    if given is not None and given not in (value, value.partition("-")[0]):
        raise fault(
            "BadDigest",
            f"The {algorithm} you specified did not match the calculated checksum.",
        )
    return {algorithm: value}


def _record(
    context: Context,
    bucket: BucketRecord,
    upload: UploadEntry,
    parts: list[PartEntry],
    blob: Blob,
    checksums: dict[str, str],
) -> ObjectEntry:
    attributes = {**upload.attributes, "UploadId": upload.upload_id}
    declared = attributes.pop("UploadChecksum", None)
    if declared is not None:
        attributes |= {"Checksums": checksums, "ChecksumType": declared[1]}
    kept = [
        {"PartNumber": part.number, "Size": part.size, "Checksums": part.checksums}
        for part in parts
    ]
    return context.platform.objects.versions.put(
        bucket,
        upload.key,
        blob,
        attributes,
        now=context.platform.clock.now(),
        annotations=upload.annotations,
        etag=multipart_etag(part.etag for part in parts),
        parts=kept,
    )


def _answer(context: Context, bucket: BucketRecord, entry: ObjectEntry) -> dict[str, Any]:
    attributes = entry.attributes
    return {
        "Location": f"{context.endpoint}/{bucket.name}/{entry.key}",
        "Bucket": bucket.name,
        "Key": entry.key,
        "ETag": f'"{entry.etag}"',
        "VersionId": new_version_member(bucket, entry),
        **checksum_members(attributes),
        **encryption_members(attributes),
    }
