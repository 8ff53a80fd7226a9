"""Random identifiers in the forms AWS uses."""

from __future__ import annotations

import os
import secrets
from binascii import hexlify

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def request_id() -> str:
    """Return a random identifier in UUID form (`8-4-4-4-12` hexadecimal digits)."""
    digits = hexlify(os.urandom(16)).decode()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def iam_unique_id(prefix: str) -> str:
    """Return an IAM unique id: `prefix` (`AIDA`, `AROA`, `AKIA`...) and 16 base-32 characters."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(16))


def hexadecimal(length: int) -> str:
    """Return `length` random lower-case hexadecimal digits."""
    return hexlify(os.urandom((length + 1) // 2)).decode()[:length]
