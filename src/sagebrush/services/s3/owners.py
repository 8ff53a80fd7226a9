"""Canonical user ids: how S3 names accounts in owners and grants."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any

_ACCOUNT_DIGITS = 12


@lru_cache(maxsize=1024)
def canonical_id(account: str) -> str:
    """Return the 64 hexadecimal digits that stand for a 12-digit account; always the same."""
    digits = sha256(f"sagebrush canonical user {account}".encode()).hexdigest()
    # The account at the end makes the way back a matter of reading it.
    return digits[:-_ACCOUNT_DIGITS] + account


def account_of(canonical: str) -> str | None:
    """Return the account that a canonical user id stands for, or None if it is none."""
    account = canonical[-_ACCOUNT_DIGITS:]
    return account if account.isdigit() and canonical == canonical_id(account) else None


def owner(account: str) -> dict[str, Any]:
    """Return the `Owner` element for an account."""
    return {"ID": canonical_id(account), "DisplayName": account}
