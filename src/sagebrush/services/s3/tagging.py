"""Tags of buckets and objects.

Source: S3 user guide, "Categorizing your storage using tags": at most 10 tags per object and 50
per bucket, keys of 1 to 128 characters, values of up to 256, no key twice, no `aws:` keys.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sagebrush.services.s3.faults import fault, invalid_argument

OBJECT_TAGS = 10
BUCKET_TAGS = 50
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")


def tags_from_header(text: str | None) -> dict[str, str]:
    """Return the tags of an `x-amz-tagging` header (`a=1&b=2`, percent-encoded).

    Raises:
        ApiError: InvalidArgument for a malformed header, InvalidTag.
    """
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query"
            " parameters without tag name duplicates.",
            "x-amz-tagging",
            text,
        ) from None
    return checked_tags(pairs, OBJECT_TAGS)


def tags_from_set(tag_set: list[dict[str, str]], limit: int) -> dict[str, str]:
    """Return the tags of a `TagSet`.

    Raises:
        ApiError: InvalidTag, BadRequest when there are too many.
    """
    return checked_tags([(tag["Key"], tag["Value"]) for tag in tag_set], limit)


def checked_tags(pairs: list[tuple[str, str]], limit: int) -> dict[str, str]:
    """Return `pairs` as a dict in their order.

    Raises:
        ApiError: InvalidTag, BadRequest when there are too many.
    """
    if len(pairs) > limit:
        subject = "Object" if limit == OBJECT_TAGS else "Bucket"
        raise fault("BadRequest", f"{subject} tags cannot be greater than {limit}")
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise fault("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key)
        if not 1 <= len(key) <= 128 or _ALLOWED.fullmatch(key) is None:
            raise fault("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256 or _ALLOWED.fullmatch(value) is None:
            raise fault("InvalidTag", "The TagValue you have provided is invalid", TagKey=key)
        if key.lower().startswith("aws:"):
            raise fault(
                "InvalidTag", "System tags cannot be added/updated by requester", TagKey=key
            )
        tags[key] = value
    return tags


def tag_set(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as a `TagSet`, by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def tag_count(annotations: dict[str, Any]) -> int | None:
    """Return the `TagCount` member: none for an object without tags."""
    return len(annotations.get("Tags", ())) or None
