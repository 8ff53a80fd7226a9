"""Grants: leave for a principal to use a key."""

from __future__ import annotations

import secrets
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.store.database import Row

_DEFAULT_LIMIT = 50
_KEPT = (
    "GranteePrincipal",
    "RetiringPrincipal",
    "GranteeServicePrincipal",
    "RetiringServicePrincipal",
    "Operations",
    "Constraints",
    "Name",
)


def create_grant(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a grant; the same request with a name answers the same grant."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_enabled(context, key)
    if not ("GranteePrincipal" in request or "GranteeServicePrincipal" in request):
        raise ApiError("ValidationException", "A grantee principal is required.")
    keystore.refuse_dry_run(request)
    kept = orjson.dumps({k: request[k] for k in _KEPT if k in request}).decode()
    if "Name" in request:
        same = context.db.one(
            "SELECT * FROM kms_grants WHERE key_id = ? AND request = ?", (key.id, kept)
        )
        if same is not None:
            return {"GrantToken": same["token"], "GrantId": same["id"]}
    grant_id, token = secrets.token_hex(32), secrets.token_urlsafe(96)
    context.db.execute(
        "INSERT INTO kms_grants VALUES (?, ?, ?, ?, ?)",
        (key.id, grant_id, token, context.now, kept),
    )
    return {"GrantToken": token, "GrantId": grant_id}


def list_grants(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a key's grants."""
    key = keystore.find(context, request["KeyId"])
    rows = context.db.all("SELECT * FROM kms_grants WHERE key_id = ? ORDER BY id", (key.id,))
    grants = [_shape(context, row) for row in rows]
    for member in ("GrantId", "GranteePrincipal", "GranteeServicePrincipal"):
        if member in request:
            grants = [grant for grant in grants if grant.get(member) == request[member]]
    return _page(grants, request)


def list_retirable_grants(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of the grants a principal may retire."""
    rows = context.db.all(
        "SELECT g.* FROM kms_grants g JOIN kms_keys k ON k.id = g.key_id"
        " WHERE k.account = ? AND k.region = ? ORDER BY g.id",
        (context.account, context.region),
    )
    grants = [_shape(context, row) for row in rows]
    for member in ("RetiringPrincipal", "RetiringServicePrincipal"):
        if member in request:
            grants = [grant for grant in grants if grant.get(member) == request[member]]
    return _page(grants, request)


def revoke_grant(context: Context, request: dict[str, Any]) -> None:
    """Take a grant back."""
    key = keystore.find(context, request["KeyId"])
    _delete(context, request, key.id, request["GrantId"])


def retire_grant(context: Context, request: dict[str, Any]) -> None:
    """Give a grant up, by its token or by its key and id."""
    if "GrantToken" in request:
        row = context.db.one("SELECT * FROM kms_grants WHERE token = ?", (request["GrantToken"],))
        if row is None:
            raise ApiError("InvalidGrantTokenException", "Invalid grant token")
        _delete(context, request, row["key_id"], row["id"])
        return
    if "KeyId" not in request or "GrantId" not in request:
        raise ApiError("ValidationException", "Specify a GrantToken, or a KeyId and a GrantId.")
    key = keystore.find(context, request["KeyId"])
    _delete(context, request, key.id, request["GrantId"])


def _delete(context: Context, request: dict[str, Any], key_id: str, grant_id: str) -> None:
    keystore.refuse_dry_run(request)
    deleted = context.db.execute(
        "DELETE FROM kms_grants WHERE key_id = ? AND id = ?", (key_id, grant_id)
    )
    if deleted.rowcount == 0:
        raise ApiError("NotFoundException", f"Grant ID {grant_id} not found")


def _shape(context: Context, row: Row) -> dict[str, Any]:
    shape: dict[str, Any] = orjson.loads(row["request"])
    return shape | {
        "KeyId": keystore.arn_of_id(context, row["key_id"]),
        "GrantId": row["id"],
        "CreationDate": row["created"],
        "IssuingAccount": context.arn("iam", "root").replace(f":{context.region}:", "::"),
    }


def _page(grants: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    limit = request.get("Limit", _DEFAULT_LIMIT)
    if "Marker" in request:
        after = decode_token(request["Marker"], "InvalidMarkerException", (str,))[0]
        grants = [grant for grant in grants if grant["GrantId"] > after]
    truncated = len(grants) > limit
    return {
        "Grants": grants[:limit],
        "NextMarker": encode_token([grants[limit - 1]["GrantId"]]) if truncated else None,
        "Truncated": truncated,
    }
