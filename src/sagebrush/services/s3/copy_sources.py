"""The source of a copy: which version, and may the caller read it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from sagebrush.engines.objects import BucketRecord, ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.conditions import check_copy_source
from sagebrush.services.s3.encryption_headers import check_readable
from sagebrush.services.s3.faults import invalid_argument
from sagebrush.services.s3.reach import reach_object

_VERSION = "?versionId="


def parse_copy_source(text: str) -> tuple[str, str, str | None]:
    """Return (bucket, key, version id) of an `x-amz-copy-source` header.

    Raises:
        ApiError: InvalidArgument.
    """
    path, separator, version_id = text.rpartition(_VERSION)
    if not separator:
        path, version_id = text, ""
    bucket, slash, key = unquote(path).removeprefix("/").partition("/")
    if not (slash and bucket and key):
        raise invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            "x-amz-copy-source",
            text,
        )
    return bucket, key, unquote(version_id) or None


def reach_copy_source(
    context: Context, request: dict[str, Any]
) -> tuple[BucketRecord, ObjectEntry]:
    """Return the bucket and version to copy from, after all its conditions.

    Raises:
        ApiError: NoSuchBucket, NoSuchKey, AccessDenied, PreconditionFailed and the like.
    """
    bucket_name, key, version_id = parse_copy_source(request["CopySource"])
    source_request = {
        "Bucket": bucket_name,
        "Key": key,
        "VersionId": version_id,
        "ExpectedBucketOwner": request.get("ExpectedSourceBucketOwner"),
    }
    bucket, entry = reach_object(context, source_request, "s3:GetObject")
    check_copy_source(request, entry)
    check_readable(request, entry.attributes, "CopySource")
    return bucket, entry
