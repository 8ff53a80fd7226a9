"""Who signed a request."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context


def get_caller_identity(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the identity behind the request's access key."""
    del request
    principal = context.principal
    return {"UserId": principal.user_id, "Account": context.account, "Arn": principal.arn}


def get_access_key_info(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the account an access key belongs to; only keys issued here are known."""
    credential = context.platform.identity.credential(request["AccessKeyId"])
    if credential is None:
        raise ApiError("ValidationError", f"Access key {request['AccessKeyId']} is not known")
    return {"Account": credential.account}
