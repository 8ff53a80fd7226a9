"""Tags of keys."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.kms.tag_lists import tags_of
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
