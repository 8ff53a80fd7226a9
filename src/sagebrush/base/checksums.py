"""The checksum algorithms of S3 behind one interface, and checksums of multipart objects.

CRC32 is zlib's, SHA and MD5 are hashlib's. CRC32C and CRC64NVME are in no standard library. AWS's
own `awscrt` has both at memory speed and is used when it is installed (AWS CLI users who send
CRC64NVME by default have good reason to install it), but it is a wheel of many megabytes for two
functions, so it is no dependency: without it `crc` does some 100 MB/s, enough for a disk.
"""

from __future__ import annotations

import binascii
import hashlib
import importlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache, partial

from sagebrush.base import crc

COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"

_CODES = {"CRC32": crc.CRC32, "CRC32C": crc.CRC32C, "CRC64NVME": crc.CRC64NVME}
_HASHES = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
ALGORITHMS = (*_CODES, *_HASHES)
_HEADER_PREFIX = "x-amz-checksum-"

# Takes content and the check so far, gives the check after it.
_Update = Callable[[bytes, int], int]


class Checksum(ABC):
    """A checksum that takes its content in pieces."""

    @abstractmethod
    def update(self, content: bytes) -> None:
        """Add content."""

    @abstractmethod
    def digest(self) -> bytes:
        """Return the checksum of everything added, most significant byte first."""

    def text(self) -> str:
        """Return the digest in base64, as headers and XML carry it."""
        return binascii.b2a_base64(self.digest(), newline=False).decode()


class _Crc(Checksum):
    def __init__(self, algorithm: str) -> None:
        self._update = _crc_update(algorithm)
        self._size_bytes = _CODES[algorithm].width // 8
        self._check = 0

    def update(self, content: bytes) -> None:
        self._check = self._update(content, self._check)

    def digest(self) -> bytes:
        return self._check.to_bytes(self._size_bytes, "big")


class _Hash(Checksum):
    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(_HASHES[algorithm], usedforsecurity=False)

    def update(self, content: bytes) -> None:
        self._hash.update(content)

    def digest(self) -> bytes:
        return self._hash.digest()


def new_checksum(algorithm: str) -> Checksum:
    """Return an empty checksum; raises `KeyError` for an algorithm not in `ALGORITHMS`."""
    name = algorithm.upper()
    return _Crc(name) if name in _CODES else _Hash(name)


def checksum_header(algorithm: str) -> str:
    """Return the name of the header that carries the checksum: `x-amz-checksum-crc32`."""
    return _HEADER_PREFIX + algorithm.lower()


def algorithm_of_header(name: str) -> str | None:
    """Return the algorithm a lower-case header name stands for, or None."""
    if not name.startswith(_HEADER_PREFIX):
        return None
    algorithm = name.removeprefix(_HEADER_PREFIX).upper()
    return algorithm if algorithm in ALGORITHMS else None


def composite(algorithm: str, parts: Sequence[bytes]) -> str:
    """Return the COMPOSITE checksum of parts' digests: base64, a hyphen, the number of parts."""
    checksum = new_checksum(algorithm)
    checksum.update(b"".join(parts))
    return f"{checksum.text()}-{len(parts)}"


def full_object(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> str:
    """Return the FULL_OBJECT checksum of (digest, size in bytes) of consecutive parts, in base64.

    Only CRCs can be joined; raises `KeyError` for the others.
    """
    code = _CODES[algorithm.upper()]
    whole = 0
    for digest, size_bytes in parts:
        whole = crc.combine(code, whole, int.from_bytes(digest, "big"), size_bytes)
    return binascii.b2a_base64(whole.to_bytes(code.width // 8, "big"), newline=False).decode()


@cache
def _crc_update(algorithm: str) -> _Update:
    if algorithm == "CRC32":
        return zlib.crc32
    try:
        native: _Update = getattr(importlib.import_module("awscrt.checksums"), algorithm.lower())
    except (ImportError, AttributeError):
        return partial(_update_in_python, _CODES[algorithm])
    return native


def _update_in_python(code: crc.Code, content: bytes, check: int) -> int:
    return crc.update(code, check, content)
