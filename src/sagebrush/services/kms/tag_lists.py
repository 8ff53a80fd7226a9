"""Tags as they come over the wire."""

from __future__ import annotations

from collections.abc import Iterable

from sagebrush.base.errors import ApiError


def tags_of(given: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return wire tags as a mapping, or refuse a key that comes twice or is reserved."""
    tags: dict[str, str] = {}
    for tag in given:
        if tag["TagKey"] in tags:
            raise ApiError("TagException", "Duplicate tag keys")
        if tag["TagKey"].startswith("aws:"):
            raise ApiError("TagException", "aws: prefixed tag keys are reserved")
        tags[tag["TagKey"]] = tag["TagValue"]
    return tags
