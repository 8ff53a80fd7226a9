"""Operations that mean the caller when they name no user."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context


def caller_or_named(context: Context, request: dict[str, Any]) -> str:
    """Return the user named in the request, else the user who calls.

    Raises:
        ApiError: no name, and the caller is no user.
    """
    if "UserName" in request:
        return str(request["UserName"])
    if context.principal.kind != "IAMUser":
        raise ApiError(
            "ValidationError", "Must specify userName when calling with non-User credentials"
        )
    return context.principal.arn.rsplit("/", 1)[-1]
