"""Uploads under way, as requests name them."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord, UploadEntry, UploadNotFound
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault


def find_upload(context: Context, bucket: BucketRecord, request: dict[str, Any]) -> UploadEntry:
    """Return the request's upload.

    Raises:
        ApiError: NoSuchUpload.
    """
    upload_id = request["UploadId"]
    try:
        return context.platform.objects.uploads.get(bucket, request["Key"], upload_id)
    except UploadNotFound:
        raise fault("NoSuchUpload", UploadId=upload_id) from None


def upload_checksum(upload: UploadEntry) -> tuple[str, str] | None:
    """Return (algorithm, type) of the checksum the finished object gets, if any."""
    declared = upload.attributes.get("UploadChecksum")
    return None if declared is None else (declared[0], declared[1])
