"""Keys: making, describing, enabling, and deleting after a waiting time."""

from __future__ import annotations

import asyncio
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore, material
from sagebrush.services.kms.policy_documents import check_policy
from sagebrush.services.kms.specs import KEY_SPECS, KeySpec
from sagebrush.services.kms.tag_lists import tags_of
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DAY_S = 86_400.0
_DEFAULT_WINDOW_DAYS = 30
_DEFAULT_LIMIT = 100


async def create_key(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a key; a large RSA key takes a second of another thread."""
    spec = _spec(request)
    usage = request.get("KeyUsage")
    if usage is None:
        if spec.name != "SYMMETRIC_DEFAULT":
            raise _invalid(f"You must specify a KeyUsage value for the KeySpec {spec.name}.")
        usage = next(iter(spec.algorithms))
    if usage not in spec.algorithms:
        raise _invalid(f"KeyUsage {usage} is not compatible with KeySpec {spec.name}")
    document = {
        "spec": spec.name,
        "usage": usage,
        "manager": "CUSTOMER",
        "description": request.get("Description", ""),
        "policy": check_policy(request.get("Policy") or keystore.default_policy(context)),
        "tags": tags_of(request.get("Tags", [])),
    }
    secret = await asyncio.to_thread(material.generate, spec.name)
    with context.db.transaction():
        key = keystore.create(context, secret, document)
        return {"KeyMetadata": keystore.metadata(context, key)}


def describe_key(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer what is known of a key, in any state."""
    key = keystore.find(context, request["KeyId"])
    return {"KeyMetadata": keystore.metadata(context, key)}


def list_keys(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of keys by id."""
    limit = request.get("Limit", _DEFAULT_LIMIT)
    after = ""
    if "Marker" in request:
        after = decode_token(request["Marker"], "InvalidMarkerException", (str,))[0]
    keys = keystore.page(context, after, limit + 1)
    truncated = len(keys) > limit
    return {
        "Keys": [
            {"KeyId": key.id, "KeyArn": keystore.arn_of(context, key)} for key in keys[:limit]
        ],
        "NextMarker": encode_token([keys[limit - 1].id]) if truncated else None,
        "Truncated": truncated,
    }


def update_key_description(context: Context, request: dict[str, Any]) -> None:
    """Set a key's description."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    keystore.require_not_deleting(context, key)
    keystore.update(context, key, description=request["Description"])


def enable_key(context: Context, request: dict[str, Any]) -> None:
    """Let a key be used."""
    _set_state(context, request, "Enabled")


def disable_key(context: Context, request: dict[str, Any]) -> None:
    """Stop a key from being used."""
    _set_state(context, request, "Disabled")


def schedule_key_deletion(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a key after 7 to 30 days; it cannot be used until then."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    keystore.require_not_deleting(context, key)
    days = request.get("PendingWindowInDays", _DEFAULT_WINDOW_DAYS)
    if not 7 <= days <= 30:
        raise _invalid("PendingWindowInDays must be between 7 and 30 (inclusive).")
    deletion = context.now + days * _DAY_S
    keystore.update(context, key, state="PendingDeletion", deletion=deletion)
    return {
        "KeyId": keystore.arn_of(context, key),
        "DeletionDate": deletion,
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }


def cancel_key_deletion(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a key that was to be deleted; it is disabled afterwards."""
    key = keystore.find(context, request["KeyId"])
    if key.state != "PendingDeletion":
        raise ApiError(
            "KMSInvalidStateException", f"{keystore.arn_of(context, key)} is not pending deletion."
        )
    keystore.update(context, key, state="Disabled")
    return {"KeyId": keystore.arn_of(context, key)}


def _spec(request: dict[str, Any]) -> KeySpec:
    if "KeySpec" in request and "CustomerMasterKeySpec" in request:
        raise _invalid(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request."
            " CustomerMasterKeySpec is deprecated."
        )
    if request.get("Origin", "AWS_KMS") != "AWS_KMS":
        raise _unsupported(f"Origin {request['Origin']}")
    for member in ("CustomKeyStoreId", "XksKeyId", "MultiRegion"):
        if request.get(member):
            raise _unsupported(member)
    name = request.get("KeySpec", request.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"))
    if name not in KEY_SPECS:
        raise _unsupported(f"KeySpec {name}")
    return KEY_SPECS[name]


def _set_state(context: Context, request: dict[str, Any], state: str) -> None:
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    keystore.require_not_deleting(context, key)
    keystore.update(context, key, state=state)


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _unsupported(what: str) -> ApiError:
    return ApiError("UnsupportedOperationException", f"Sagebrush does not support {what}.")
