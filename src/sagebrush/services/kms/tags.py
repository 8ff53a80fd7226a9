"""Tags of keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_MAX_TAGS = 50
_DEFAULT_LIMIT = 50


def tag_resource(context: Context, request: dict[str, Any]) -> None:
    """Write tags of a key."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    keystore.require_not_deleting(context, key)
    tags = key.document["tags"] | tags_of(request["Tags"])
    if len(tags) > _MAX_TAGS:
        raise ApiError("LimitExceededException", f"A key can have at most {_MAX_TAGS} tags.")
    keystore.update(context, key, tags=tags)


def untag_resource(context: Context, request: dict[str, Any]) -> None:
    """Remove tags of a key."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    keystore.require_not_deleting(context, key)
    tags = {k: v for k, v in key.document["tags"].items() if k not in request["TagKeys"]}
    keystore.update(context, key, tags=tags)


def list_resource_tags(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a key's tags by key."""
    key = keystore.find(context, request["KeyId"])
    limit = request.get("Limit", _DEFAULT_LIMIT)
    after = ""
    if "Marker" in request:
        after = decode_token(request["Marker"], "InvalidMarkerException", (str,))[0]
    rest = [(k, v) for k, v in sorted(key.document["tags"].items()) if k > after]
    truncated = len(rest) > limit
    return {
        "Tags": [{"TagKey": k, "TagValue": v} for k, v in rest[:limit]],
        "NextMarker": encode_token([rest[limit - 1][0]]) if truncated else None,
        "Truncated": truncated,
    }


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
