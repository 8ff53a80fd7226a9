"""Aliases: names of keys that can be moved to another key."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_LIMIT = 50


def create_alias(context: Context, request: dict[str, Any]) -> None:
    """Give a key a name."""
    name = _checked(request["AliasName"])
    key = keystore.find(context, request["TargetKeyId"])
    keystore.require_not_deleting(context, key)
    if _exists(context, name):
        raise ApiError(
            "AlreadyExistsException",
            f"An alias with the name {context.arn('kms', name)} already exists",
        )
    keystore.put_alias(context, name, key.id)


def update_alias(context: Context, request: dict[str, Any]) -> None:
    """Move a name to another key of the same kind."""
    name = _checked(request["AliasName"])
    if not _exists(context, name):
        raise _missing(context, name)
    current = keystore.find(context, name)
    key = keystore.find(context, request["TargetKeyId"])
    keystore.require_not_deleting(context, key)
    if (current.usage, current.spec.is_asymmetric) != (key.usage, key.spec.is_asymmetric):
        raise ApiError(
            "ValidationException",
            "Alias cannot be changed from a key to a key of another type or usage.",
        )
    context.db.execute(
        "UPDATE kms_aliases SET key_id = ?, updated = ? WHERE account = ? AND region = ?"
        " AND name = ?",
        (key.id, context.now, context.account, context.region, name),
    )


def delete_alias(context: Context, request: dict[str, Any]) -> None:
    """Remove a name; the key stays."""
    name = _checked(request["AliasName"])
    if not _exists(context, name):
        raise _missing(context, name)
    context.db.execute(
        "DELETE FROM kms_aliases WHERE account = ? AND region = ? AND name = ?",
        (context.account, context.region, name),
    )


def list_aliases(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of names, of one key or of all."""
    key_id = keystore.find(context, request["KeyId"]).id if "KeyId" in request else None
    keystore.drop_deleted(context)
    limit = request.get("Limit", _DEFAULT_LIMIT)
    after = ""
    if "Marker" in request:
        after = decode_token(request["Marker"], "InvalidMarkerException", (str,))[0]
    rows = context.db.all(
        "SELECT * FROM kms_aliases WHERE account = ? AND region = ? AND name > ?"
        " AND (key_id = ? OR ? IS NULL) ORDER BY name LIMIT ?",
        (context.account, context.region, after, key_id, key_id, limit + 1),
    )
    truncated = len(rows) > limit
    aliases = [
        {
            "AliasName": row["name"],
            "AliasArn": context.arn("kms", row["name"]),
            "TargetKeyId": row["key_id"],
            "CreationDate": row["created"],
            "LastUpdatedDate": row["updated"],
        }
        for row in rows[:limit]
    ]
    return {
        "Aliases": aliases,
        "NextMarker": encode_token([rows[limit - 1]["name"]]) if truncated else None,
        "Truncated": truncated,
    }


def _checked(name: str) -> str:
    if not name.startswith("alias/") or name == "alias/":
        raise ApiError(
            "ValidationException",
            'Alias must start with the prefix "alias/".'
            " Please see"
            " https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        )
    if name.startswith(keystore.AWS_ALIAS_PREFIX):
        raise ApiError("NotAuthorizedException", "")
    return name


def _exists(context: Context, name: str) -> bool:
    keystore.drop_deleted(context)
    row = context.db.one(
        "SELECT 1 FROM kms_aliases WHERE account = ? AND region = ? AND name = ?",
        (context.account, context.region, name),
    )
    return row is not None


def _missing(context: Context, name: str) -> ApiError:
    return ApiError("NotFoundException", f"Alias {context.arn('kms', name)} is not found.")
