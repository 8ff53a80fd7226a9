"""Rotation: new secrets for new data, while the old ones still open what they sealed.

Automatic rotation happens on the first use after it is due.
"""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore, material
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_PERIOD_DAYS = 365
_MAX_ON_DEMAND = 25
_DEFAULT_LIMIT = 100


def enable_key_rotation(context: Context, request: dict[str, Any]) -> None:
    """Let a symmetric key rotate by itself, once a year unless told."""
    key = _rotatable(context, request)
    days = request.get("RotationPeriodInDays", _DEFAULT_PERIOD_DAYS)
    keystore.update(context, key, rotation_days=days, rotation_from=context.now)


def disable_key_rotation(context: Context, request: dict[str, Any]) -> None:
    """Stop a key from rotating by itself."""
    keystore.update(context, _rotatable(context, request), rotation_days=None)


def get_key_rotation_status(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer whether and when a key rotates by itself."""
    key = keystore.find(context, request["KeyId"])
    _require_symmetric(context, key)
    keystore.require_not_deleting(context, key)
    days = key.document.get("rotation_days")
    return {
        "KeyRotationEnabled": days is not None,
        "KeyId": keystore.arn_of(context, key),
        "RotationPeriodInDays": days,
        "NextRotationDate": keystore.next_rotation(context, key),
    }


def rotate_key_on_demand(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Rotate a key now."""
    key = _rotatable(context, request)
    row = context.db.one(
        "SELECT count(*) FROM kms_materials WHERE key_id = ? AND rotation = 'ON_DEMAND'",
        (key.id,),
    )
    if row is not None and row[0] >= _MAX_ON_DEMAND:
        raise ApiError(
            "LimitExceededException",
            f"{keystore.arn_of(context, key)} has reached the limit of {_MAX_ON_DEMAND} on-demand"
            " rotations.",
        )
    keystore.add_material(context, key.id, material.generate(key.spec.name), "ON_DEMAND")
    return {"KeyId": keystore.arn_of(context, key)}


def list_key_rotations(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a key's rotations, oldest first; the first secret only when asked for."""
    key = keystore.find(context, request["KeyId"])
    _require_symmetric(context, key)
    limit = request.get("Limit", _DEFAULT_LIMIT)
    after = 0
    if "Marker" in request:
        after = int(decode_token(request["Marker"], "InvalidMarkerException", (int,))[0])
    rows = context.db.all("SELECT * FROM kms_materials WHERE key_id = ? ORDER BY number", (key.id,))
    every = request.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
    wanted = [row for row in rows if row["number"] > after and (every or row["rotation"])]
    truncated = len(wanted) > limit
    rotations = [
        {
            "KeyId": key.id,
            "KeyMaterialId": row["id"],
            "KeyMaterialState": "CURRENT" if row is rows[-1] else "NON_CURRENT",
            "RotationDate": row["created"] if row["rotation"] else None,
            "RotationType": row["rotation"] or None,
        }
        for row in wanted[:limit]
    ]
    return {
        "Rotations": rotations,
        "NextMarker": encode_token([wanted[limit - 1]["number"]]) if truncated else None,
        "Truncated": truncated,
    }


def _rotatable(context: Context, request: dict[str, Any]) -> keystore.Key:
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    _require_symmetric(context, key)
    keystore.require_enabled(context, key)
    return key


def _require_symmetric(context: Context, key: keystore.Key) -> None:
    if key.spec.name != "SYMMETRIC_DEFAULT":
        raise ApiError(
            "UnsupportedOperationException",
            f"{keystore.arn_of(context, key)} is not a symmetric encryption key.",
        )
