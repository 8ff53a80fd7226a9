"""What is fixed about an object when it is written, taken from the request."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import calling_account, object_ownership
from sagebrush.services.s3.encryption_headers import encryption_attributes
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.names import check_key, check_metadata
from sagebrush.services.s3.settings import read_settings

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
)
_STORAGE_CLASSES = frozenset(
    (
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
        "OUTPOSTS",
        "SNOW",
        "EXPRESS_ONEZONE",
        "FSX_OPENZFS",
        "FSX_ONTAP",
    )
)


def object_attributes(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the attributes of the object that `request` writes, in wire names.

    Raises:
        ApiError: the key, metadata, storage class or encryption members are not allowed.
    """
    check_key(request["Key"])
    return described(request) | {
        "Owner": object_owner(context, bucket, request),
        **storage_class(request),
        **encryption_attributes(context, bucket, request),
    }


def object_owner(context: Context, bucket: BucketRecord, request: dict[str, Any]) -> str:
    """Return the account that owns what the caller writes: the writer, or the bucket's owner.

    What nobody in particular wrote belongs to the bucket's owner.
    """
    account = calling_account(context, bucket)
    if account is None or account == bucket.account:
        return bucket.account
    ownership = object_ownership(read_settings(context.db, bucket.id, ("ownership",)))
    gives_away = (
        ownership == "BucketOwnerPreferred" and request.get("ACL") == "bucket-owner-full-control"
    )
    if ownership == "BucketOwnerEnforced" or gives_away:
        return bucket.account
    return account


def described(request: dict[str, Any]) -> dict[str, Any]:
    """Return the system and user metadata members of `request`.

    Raises:
        ApiError: MetadataTooLarge.
    """
    check_metadata(request.get("Metadata"))
    attributes = {name: request[name] for name in HEADERS if request.get(name) is not None}
    attributes.setdefault("ContentType", DEFAULT_CONTENT_TYPE)
    if encoding := attributes.pop("ContentEncoding", None):
        # aws-chunked is how the body came over the wire, no property of the object.
        kept = [part for part in encoding.split(",") if part.strip() not in ("", "aws-chunked")]
        if kept:
            attributes["ContentEncoding"] = ",".join(kept)
    if metadata := request.get("Metadata"):
        attributes["Metadata"] = metadata
    return attributes


def storage_class(request: dict[str, Any]) -> dict[str, str]:
    """Return the storage class attribute; none for STANDARD.

    Raises:
        ApiError: InvalidStorageClass.
    """
    name = request.get("StorageClass")
    if name is None or name == "STANDARD":
        return {}
    if name not in _STORAGE_CLASSES:
        raise fault("InvalidStorageClass", StorageClassRequested=name)
    return {"StorageClass": name}
