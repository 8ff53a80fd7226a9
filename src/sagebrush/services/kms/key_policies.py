"""Key policies. A key has one, called `default`."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.kms.policy_documents import check_policy
from sagebrush.services.platform import Context


def get_key_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a key's policy."""
    key = keystore.find(context, request["KeyId"])
    _check_name(request)
    return {"Policy": key.document["policy"], "PolicyName": "default"}


def put_key_policy(context: Context, request: dict[str, Any]) -> None:
    """Set a key's policy."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_customer(context, key)
    _check_name(request)
    keystore.update(context, key, deletion=key.deletion, policy=check_policy(request["Policy"]))


def list_key_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the names of a key's policies."""
    keystore.find(context, request["KeyId"])
    return {"PolicyNames": ["default"], "Truncated": False}


def _check_name(request: dict[str, Any]) -> None:
    if request.get("PolicyName", "default") != "default":
        raise ApiError("NotFoundException", f"No such policy exists: {request['PolicyName']}")
