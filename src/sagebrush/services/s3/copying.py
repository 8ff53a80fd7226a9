"""CopyObject. The copy refers to the same stored file: no byte moves."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import Blob, BucketRecord, ObjectEntry
from sagebrush.engines.objects.checksums import ALGORITHMS, checksum
from sagebrush.services.platform import Context
from sagebrush.services.s3.annotations import new_annotations
from sagebrush.services.s3.checksum_members import FULL_OBJECT, checksum_members
from sagebrush.services.s3.conditions import check_write
from sagebrush.services.s3.copy_sources import reach_copy_source
from sagebrush.services.s3.encryption_headers import encryption_members
from sagebrush.services.s3.faults import fault, invalid_argument
from sagebrush.services.s3.names import PUT_BYTES
from sagebrush.services.s3.object_attributes import HEADERS, object_attributes
from sagebrush.services.s3.reach import (
    find_bucket,
    new_version_member,
    reach_bucket,
    version_member,
)

_DIRECTIVES = ("COPY", "REPLACE")
# Any of these makes copying an object onto itself a change.
_CHANGES = (
    "StorageClass",
    "WebsiteRedirectLocation",
    "ServerSideEncryption",
    "SSECustomerAlgorithm",
    "SSEKMSKeyId",
)


async def copy_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a version of one object the newest version of another key, or of its own."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    source_bucket, source = reach_copy_source(context, request)
    _check_change(request, bucket, source, source_bucket)
    if source.size > PUT_BYTES:
        raise fault(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy"
            f" source: {PUT_BYTES}",
        )
    attributes = _attributes(context, bucket, request, source)
    annotations = new_annotations(context, bucket, request, attributes["Owner"])
    if _directive(request, "TaggingDirective") == "COPY":
        annotations.pop("Tags", None)
        if tags := source.annotations.get("Tags"):
            annotations["Tags"] = tags
    objects = context.platform.objects
    with objects.files.pinned(source.file):
        blob, checksums = await _content(context, request, source)
        if checksums:
            attributes |= {"Checksums": checksums, "ChecksumType": FULL_OBJECT}
        with context.db.transaction():
            bucket = find_bucket(context, request)
            check_write(context, bucket, request)
            now = context.platform.clock.now()
            entry = objects.versions.put(
                bucket, request["Key"], blob, attributes, now=now, annotations=annotations
            )
    return {
        "CopyObjectResult": {
            "ETag": f'"{entry.etag}"',
            "LastModified": entry.last_modified,
            **checksum_members(attributes),
        },
        "CopySourceVersionId": version_member(source_bucket, source),
        "VersionId": new_version_member(bucket, entry),
        **encryption_members(attributes),
    }


def _check_change(
    request: dict[str, Any], bucket: BucketRecord, source: ObjectEntry, origin: BucketRecord
) -> None:
    replaces = _directive(request, "MetadataDirective") == "REPLACE"
    changes = replaces or any(request.get(name) is not None for name in _CHANGES)
    newest_itself = source.key == request["Key"] and origin.id == bucket.id
    if newest_itself and not changes and "versionId=" not in request["CopySource"]:
        raise fault(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself"
            " without changing the object's metadata, storage class, website redirect location"
            " or encryption attributes.",
        )


def _directive(request: dict[str, Any], name: str) -> str:
    directive: str = request.get(name) or "COPY"
    if directive not in _DIRECTIVES:
        raise invalid_argument(f"Unknown {name}.", name, directive)
    return directive


def _attributes(
    context: Context, bucket: BucketRecord, request: dict[str, Any], source: ObjectEntry
) -> dict[str, Any]:
    attributes = object_attributes(context, bucket, request)
    if _directive(request, "MetadataDirective") == "REPLACE":
        return attributes
    origin = source.attributes
    for name in (*HEADERS, "Metadata"):
        # The redirect is never copied.
        if name == "WebsiteRedirectLocation":
            continue
        attributes.pop(name, None)
        if name in origin:
            attributes[name] = origin[name]
    return attributes


async def _content(
    context: Context, request: dict[str, Any], source: ObjectEntry
) -> tuple[Blob, dict[str, str]]:
    """Return the bytes with a plain ETag, and the checksums the copy carries."""
    wanted = request.get("ChecksumAlgorithm")
    if wanted is not None and wanted not in ALGORITHMS:
        raise fault("NotImplemented", f"Checksum algorithm {wanted} is not supported.")
    kept = source.attributes.get("Checksums") or {}
    is_whole = source.attributes.get("ChecksumType", FULL_OBJECT) == FULL_OBJECT
    algorithms = [wanted] if wanted else list(kept)
    if source.path is None:
        content = context.platform.objects.versions.content(source)
        blob = Blob(source.size, source.etag, content=content)
        return blob, {name: checksum(name, content) for name in algorithms}
    blob = Blob(source.size, source.etag, file=source.file, file_offset=source.file_offset)
    missing = [name for name in algorithms if not (is_whole and name in kept)]
    if "-" not in source.etag and not missing:
        return blob, {name: kept[name] for name in algorithms}
    blob.md5, computed = await context.platform.objects.receiver.digest_range(
        source.path, source.file_offset, source.size, missing
    )
    return blob, {name: computed.get(name) or kept[name] for name in algorithms}
