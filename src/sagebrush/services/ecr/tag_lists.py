"""Tags as they come over the wire."""

from __future__ import annotations

from collections.abc import Iterable

from sagebrush.base.errors import ApiError


def tags_of(given: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return wire tags as a mapping, or refuse a reserved key."""
    tags = {tag["Key"]: tag["Value"] for tag in given}
    if any(key.startswith("aws:") for key in tags):
        raise ApiError("InvalidTagParameterException", "Tag keys must not start with aws:")
    return tags
