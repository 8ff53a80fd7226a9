"""IAM's pages: `Marker` and `MaxItems` in, `IsTruncated` and `Marker` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sagebrush.engines.identity import Entity
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_ITEMS = 100


def page_of_entities(
    context: Context,
    kind: str,
    request: dict[str, Any],
    member: str,
    shape: Callable[[Entity], dict[str, Any]],
) -> dict[str, Any]:
    """Answer a page of the account's entities of a kind, by name, under the asked path prefix."""
    limit = request.get("MaxItems", _DEFAULT_ITEMS)
    found = context.platform.identity.entities.page(
        context.account,
        kind,
        path_prefix=request.get("PathPrefix", "/"),
        after=_position(request),
        limit=limit + 1,
    )
    return _page([(entity.name, shape(entity)) for entity in found], limit, member)


def page_of(
    items: Iterable[tuple[str, Any]], request: dict[str, Any], member: str
) -> dict[str, Any]:
    """Answer a page of `(key, item)` pairs that are sorted by key."""
    after = _position(request)
    limit = request.get("MaxItems", _DEFAULT_ITEMS)
    rest = [(key, item) for key, item in items if key > after]
    return _page(rest, limit, member)


def _position(request: dict[str, Any]) -> str:
    if "Marker" not in request:
        return ""
    return str(decode_token(request["Marker"], "ValidationError", (str,))[0])


def _page(pairs: list[tuple[str, Any]], limit: int, member: str) -> dict[str, Any]:
    shown = pairs[:limit]
    truncated = len(pairs) > limit
    return {
        member: [item for _, item in shown],
        "IsTruncated": truncated,
        "Marker": encode_token([shown[-1][0]]) if truncated else None,
    }
