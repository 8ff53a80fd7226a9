"""Opaque page tokens: the position after the last item shown, never an index.

A token holds for the question it was made for: the caller, the operation and all its members but
those that page. AWS asks to "keep all other arguments unchanged" and refuses it otherwise.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from sagebrush.base.errors import ApiError

if TYPE_CHECKING:
    from sagebrush.services.declaration import Handler
    from sagebrush.services.platform import Context

_TOKENS = frozenset(("NextToken", "nextToken", "Marker", "ContinuationToken"))
# A page may be of another size than the one before.
_SIZES = frozenset(
    ("MaxResults", "maxResults", "MaxItems", "MaxRecords", "MaxBuckets", "Limit", "limit")
)
_QUESTION_BYTES = 6

_asked: ContextVar[tuple[Context, dict[str, Any]] | None] = ContextVar("asked", default=None)


def is_paged(members: Iterable[str]) -> bool:
    """Whether an operation with these input members answers in pages."""
    return not _TOKENS.isdisjoint(members)


def with_bound_tokens(handler: Handler) -> Handler:
    """Return a handler whose page tokens hold for the request that it gets."""
    if inspect.iscoroutinefunction(handler):

        @functools.wraps(handler)
        async def later(context: Context, request: dict[str, Any]) -> dict[str, Any] | None:
            asked = _asked.set((context, dict(request)))
            try:
                return await cast("Awaitable[dict[str, Any] | None]", handler(context, request))
            finally:
                _asked.reset(asked)

        return cast("Handler", later)

    @functools.wraps(handler)
    def at_once(context: Context, request: dict[str, Any]) -> Any:
        asked = _asked.set((context, dict(request)))
        try:
            return handler(context, request)
        finally:
            _asked.reset(asked)

    return at_once


def encode_token(position: list[Any]) -> str:
    """Return the token that continues after `position` (JSON scalars)."""
    text = json.dumps([_question(), *position], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode()


def decode_token(
    token: str, code: str = "ValidationException", kinds: tuple[type, ...] = ()
) -> list[Any]:
    """Return the position a token stands for; with `kinds`, one of values of those types.

    Raises:
        ApiError: `code`, when the token was not made by `encode_token`, or for another question.
    """
    try:
        found = json.loads(urlsafe_b64decode(token.encode()))
    except ValueError:
        raise _invalid(code) from None
    if not isinstance(found, list) or found[:1] != [_question()]:
        raise _invalid(code)
    position = found[1:]
    if kinds and not _fits(position, kinds):
        raise _invalid(code)
    return position


def _question() -> str:
    """Return a digest of what is asked, whatever page of it."""
    asked = _asked.get()
    if asked is None:
        return ""
    context, request = asked
    left = {
        name: value for name, value in request.items() if name not in _TOKENS and name not in _SIZES
    }
    question = [context.account, context.region, context.service, context.operation, left]
    text = json.dumps(question, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=_QUESTION_BYTES).hexdigest()


def _invalid(code: str) -> ApiError:
    return ApiError(code, "The specified pagination token is invalid.")


def _fits(position: list[Any], kinds: tuple[type, ...]) -> bool:
    return len(position) == len(kinds) and all(map(isinstance, position, kinds))
