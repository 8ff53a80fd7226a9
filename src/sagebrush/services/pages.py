"""Opaque page tokens: the position after the last item shown, never an index."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from sagebrush.base.errors import ApiError


def encode_token(position: list[Any]) -> str:
    """Return the token that continues after `position` (JSON scalars)."""
    return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def decode_token(
    token: str, code: str = "ValidationException", kinds: tuple[type, ...] = ()
) -> list[Any]:
    """Return the position a token stands for; with `kinds`, one of values of those types.

    Raises:
        ApiError: `code`, when the token was not made by `encode_token`.
    """
    try:
        position = json.loads(urlsafe_b64decode(token.encode()))
    except ValueError:
        raise ApiError(code, "The specified pagination token is invalid.") from None
    if not isinstance(position, list) or (kinds and not _fits(position, kinds)):
        raise ApiError(code, "The specified pagination token is invalid.")
    return position


def _fits(position: list[Any], kinds: tuple[type, ...]) -> bool:
    return len(position) == len(kinds) and all(map(isinstance, position, kinds))
