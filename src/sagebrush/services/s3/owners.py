"""Canonical user ids: how S3 names accounts in owners and grants."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any

_CANONICAL = re.compile(r"[0-9a-f]{64}")


@lru_cache(maxsize=1024)
def canonical_id(account: str) -> str:
    """Return the 64 hexadecimal digits that stand for a 12-digit account; always the same."""
    return sha256(f"sagebrush canonical user {account}".encode()).hexdigest()


def is_canonical_id(text: str) -> bool:
    """Whether `text` has the form of a canonical user id."""
    return _CANONICAL.fullmatch(text) is not None


def owner(account: str) -> dict[str, Any]:
    """Return the `Owner` element for an account."""
    return {"ID": canonical_id(account), "DisplayName": account}
