"""UploadPart and UploadPartCopy."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import (
    Blob,
    BytesStream,
    ObjectEntry,
    PartEntry,
    UploadEntry,
    UploadNotFound,
)
from sagebrush.services.platform import Context
from sagebrush.services.s3.bodies import received
from sagebrush.services.s3.checksum_members import MEMBERS, Declaration, declaration
from sagebrush.services.s3.copy_sources import reach_copy_source
from sagebrush.services.s3.encryption_headers import check_upload_key, encryption_members
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.names import PART_BYTES, check_part_number
from sagebrush.services.s3.ranges import copy_range
from sagebrush.services.s3.reach import reach_bucket, version_member
from sagebrush.services.s3.upload_lookup import find_upload, upload_checksum


async def upload_part(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store one part; a part of the same number gives way."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    number = request["PartNumber"]
    check_part_number(number)
    upload = find_upload(context, bucket, request)
    check_upload_key(request, upload.attributes)
    declared = declaration(request)
    _check_algorithm(upload, declared)
    slot = context.platform.objects.uploads.claim_slot(upload, number, _length(request))
    async with received(
        context,
        request,
        declared,
        limit_bytes=PART_BYTES,
        extra_algorithms=_algorithms(upload),
        slot=slot,
        allow_inline=False,
    ) as blob:
        _record(context, upload, number, blob)
    return {
        "ETag": f'"{blob.md5}"',
        **{MEMBERS[name]: value for name, value in blob.checksums.items()},
        **encryption_members(upload.attributes),
    }


async def upload_part_copy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a range of an object a part; it refers to the object's stored bytes."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    number = request["PartNumber"]
    check_part_number(number)
    upload = find_upload(context, bucket, request)
    check_upload_key(request, upload.attributes)
    source_bucket, source = reach_copy_source(context, request)
    offset, size = copy_range(request.get("CopySourceRange"), source.size)
    if size > PART_BYTES:
        raise fault("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=PART_BYTES)
    objects = context.platform.objects
    with objects.files.pinned(source.file):
        blob = await _range_blob(context, upload, source, offset, size)
        part = _record(context, upload, number, blob)
    return {
        "CopySourceVersionId": version_member(source_bucket, source),
        "CopyPartResult": {
            "ETag": f'"{part.etag}"',
            "LastModified": part.modified,
            **{MEMBERS[name]: value for name, value in part.checksums.items()},
        },
        **encryption_members(upload.attributes),
    }


async def _range_blob(
    context: Context, upload: UploadEntry, source: ObjectEntry, offset: int, size: int
) -> Blob:
    objects = context.platform.objects
    algorithms = _algorithms(upload)
    if source.path is None:
        content = objects.versions.content(source)[offset : offset + size]
        return await objects.receiver.receive(BytesStream(content), algorithms, allow_inline=False)
    start = source.file_offset + offset
    md5, checksums = await objects.receiver.digest_range(source.path, start, size, algorithms)
    return Blob(size, md5, checksums, file=source.file, file_offset=start)


def _record(context: Context, upload: UploadEntry, number: int, blob: Blob) -> PartEntry:
    assert blob.file is not None  # parts are never kept in the database
    part = PartEntry(
        number,
        blob.size,
        blob.md5,
        context.platform.clock.now(),
        blob.file,
        blob.file_offset,
        blob.checksums,
    )
    try:
        context.platform.objects.uploads.put_part(upload, part)
    except UploadNotFound:
        raise fault("NoSuchUpload", UploadId=upload.upload_id) from None
    return part


def _check_algorithm(upload: UploadEntry, declared: Declaration) -> None:
    checksum = upload_checksum(upload)
    if checksum is None or not declared.values:
        return
    (given,) = declared.values
    if given != checksum[0]:
        raise fault(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {checksum[0].lower()},"
            f" actual checksum Type: {given.lower()}",
        )


def _algorithms(upload: UploadEntry) -> tuple[str, ...]:
    checksum = upload_checksum(upload)
    return () if checksum is None else (checksum[0],)


def _length(request: dict[str, Any]) -> int | None:
    body = request.get("Body")
    if isinstance(body, bytes):
        return len(body)
    return None if body is None else body.length
