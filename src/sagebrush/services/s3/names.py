"""Names and limits of S3: buckets, keys, user metadata.

Source: S3 user guide, "General purpose bucket naming rules", "Naming Amazon S3 objects",
"Working with object metadata", "Amazon S3 multipart upload limits".
"""

from __future__ import annotations

import re
from typing import Any

from sagebrush.services.s3.faults import fault, invalid_argument

KEY_BYTES = 1024
METADATA_BYTES = 2048
PUT_BYTES = 5 * 1024**3
PART_BYTES = 5 * 1024**3
PART_BYTES_MIN = 5 * 1024**2
OBJECT_BYTES = 50 * 1024**4
PARTS = 10_000
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_FORBIDDEN_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_FORBIDDEN_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """Refuse a name that a new bucket cannot have.

    Raises:
        ApiError: InvalidBucketName.
    """
    if (
        _BUCKET.fullmatch(name) is None
        or ".." in name
        or ".-" in name
        or "-." in name
        or _ADDRESS.fullmatch(name) is not None
        or name.startswith(_FORBIDDEN_PREFIXES)
        or name.endswith(_FORBIDDEN_SUFFIXES)
    ):
        raise fault("InvalidBucketName", BucketName=name)


def check_key(key: str) -> None:
    """Refuse a key that is empty or longer than 1024 bytes of UTF-8.

    Raises:
        ApiError: InvalidArgument or KeyTooLongError.
    """
    if not key:
        raise invalid_argument("Object key must not be empty", "Key", key)
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > KEY_BYTES:
        raise fault("KeyTooLongError", Size=size, MaxSizeAllowed=KEY_BYTES)


def check_metadata(metadata: dict[str, Any] | None) -> None:
    """Refuse user metadata of more than 2 KB, names and values together.

    Raises:
        ApiError: MetadataTooLarge.
    """
    if not metadata:
        return
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES:
        raise fault("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES)


def check_part_number(number: int) -> None:
    """Refuse a part number outside 1 to 10000.

    Raises:
        ApiError: InvalidArgument.
    """
    if not 1 <= number <= PARTS:
        raise invalid_argument(
            f"Part number must be an integer between 1 and {PARTS}, inclusive",
            "partNumber",
            number,
        )
