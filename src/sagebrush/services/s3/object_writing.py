"""PutObject."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.annotations import new_annotations
from sagebrush.services.s3.bodies import received
from sagebrush.services.s3.checksum_members import checksum_members, declaration
from sagebrush.services.s3.conditions import check_write
from sagebrush.services.s3.encryption_headers import encryption_members
from sagebrush.services.s3.names import PUT_BYTES
from sagebrush.services.s3.object_attributes import object_attributes
from sagebrush.services.s3.reach import find_bucket, new_version_member, reach_bucket


async def put_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store the body under the key; it is visible whole or not at all."""
    bucket = reach_bucket(context, request, "s3:PutObject", key=request["Key"])
    attributes = object_attributes(context, bucket, request)
    annotations = new_annotations(context, bucket, request, attributes["Owner"])
    declared = declaration(request)
    objects = context.platform.objects
    # Refuse before the body is sent; asked again when it is here.
    check_write(context, bucket, request)
    async with received(context, request, declared, limit_bytes=PUT_BYTES) as blob:
        if blob.checksums:
            attributes["Checksums"] = blob.checksums
        with context.db.transaction():
            bucket = find_bucket(context, request)
            check_write(context, bucket, request)
            entry = objects.versions.put(
                bucket,
                request["Key"],
                blob,
                attributes,
                now=context.platform.clock.now(),
                annotations=annotations,
            )
    return _written(bucket, entry)


def _written(bucket: BucketRecord, entry: ObjectEntry) -> dict[str, Any]:
    """Return the members that answer a finished write."""
    attributes = entry.attributes
    return {
        "ETag": f'"{entry.etag}"',
        "VersionId": new_version_member(bucket, entry),
        **checksum_members(attributes),
        **encryption_members(attributes),
    }
