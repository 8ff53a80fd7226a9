"""The checksum algorithms of S3, computed chunk by chunk."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sagebrush.engines.objects import polynomials

# MD5 and SHA-1 identify content here, they protect nothing.
_MD5 = "MD5"


class Digest(Protocol):
    """An incremental digest, as hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes in."""

    def digest(self) -> bytes:
        """Return the value for everything taken in so far, big-endian."""


class _Crc:
    def __init__(self, size: int, update: Callable[[int, bytes], int]) -> None:
        self._size = size
        self._update = update
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._update(self._value, data)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _zlib_crc32(value: int, data: bytes) -> int:
    return zlib.crc32(data, value)


_DIGESTS: dict[str, Callable[[], Digest]] = {
    _MD5: lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "CRC32": lambda: _Crc(4, _zlib_crc32),
    "CRC32C": lambda: _Crc(4, polynomials.CRC32C.update),
    "CRC64NVME": lambda: _Crc(8, polynomials.CRC64NVME.update),
}
_POLYNOMIALS = {
    "CRC32": polynomials.CRC32,
    "CRC32C": polynomials.CRC32C,
    "CRC64NVME": polynomials.CRC64NVME,
}
ALGORITHMS = frozenset(_DIGESTS) - {_MD5}
FULL_OBJECT_ALGORITHMS = frozenset(_POLYNOMIALS)


def digest_of(algorithm: str) -> Digest:
    """Return an empty digest of `algorithm` (`MD5`, `SHA256`, `CRC32C`, ...)."""
    return _DIGESTS[algorithm]()


def checksum(algorithm: str, data: bytes) -> str:
    """Return the base64 checksum of `data`."""
    digest = digest_of(algorithm)
    digest.update(data)
    return b64encode(digest.digest()).decode()


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """Return the composite checksum of parts' base64 checksums: digest of digests, `-N`."""
    digest = digest_of(algorithm)
    for part in parts:
        digest.update(b64decode(part))
    return f"{b64encode(digest.digest()).decode()}-{len(parts)}"


def full_object(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of the whole from (base64 checksum, size in bytes) of its parts.

    Only CRCs can be joined: `algorithm` is one of `FULL_OBJECT_ALGORITHMS`.
    """
    polynomial = _POLYNOMIALS[algorithm]
    check = 0
    for text, size in parts:
        check = polynomial.combine(check, int.from_bytes(b64decode(text), "big"), size)
    return b64encode(check.to_bytes(polynomial.width // 8, "big")).decode()


def multipart_etag(parts: Iterable[str]) -> str:
    """Return the ETag of an object in parts from the parts' MD5 digits: `<32 digits>-N`."""
    digests = [bytes.fromhex(part) for part in parts]
    joined = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(digests)}"
