"""Random identifiers in the forms AWS uses."""

from __future__ import annotations

import os
import secrets
from binascii import hexlify

_BATCH = 64
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


_ready: list[str] = []
os.register_at_fork(after_in_child=_ready.clear)


def request_id() -> str:
    """Return a random identifier in UUID form (`8-4-4-4-12` hexadecimal digits)."""
    while True:
        try:
            return _ready.pop()
        except IndexError:
            # One call into the kernel for many: every request has an identifier.
            digits = hexlify(os.urandom(16 * _BATCH)).decode()
            _ready.extend(_dashed(digits[at : at + 32]) for at in range(0, len(digits), 32))


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def iam_unique_id(prefix: str) -> str:
    """Return an IAM unique id: `prefix` (`AIDA`, `AROA`, `AKIA`...) and 16 base-32 characters."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(16))


def hexadecimal(length: int) -> str:
    """Return `length` random lower-case hexadecimal digits."""
    return hexlify(os.urandom((length + 1) // 2)).decode()[:length]
