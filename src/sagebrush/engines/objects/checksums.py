"""What the store computes about bytes: ETags, and S3's checksums as base64 text."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable, Sequence

from sagebrush.base import checksums
from sagebrush.base.checksums import Checksum

# The MD5 is the ETag; as a checksum it is not computed twice.
MD5 = "MD5"
ALGORITHMS = frozenset(checksums.ALGORITHMS) - {MD5}
FULL_OBJECT_ALGORITHMS = frozenset(("CRC32", "CRC32C", "CRC64NVME"))


def digest_of(algorithm: str) -> Checksum:
    """Return an empty digest of `algorithm` (`MD5`, `SHA256`, `CRC32C`, ...)."""
    return checksums.new_checksum(algorithm)


def checksum(algorithm: str, data: bytes) -> str:
    """Return the base64 checksum of `data`."""
    digest = digest_of(algorithm)
    digest.update(data)
    return digest.text()


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """Return the composite checksum of parts' base64 checksums: digest of digests, `-N`."""
    return checksums.composite(algorithm, [b64decode(part) for part in parts])


def full_object(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the checksum of the whole from (base64 checksum, size in bytes) of its parts.

    Only CRCs can be joined: `algorithm` is one of `FULL_OBJECT_ALGORITHMS`.
    """
    return checksums.full_object(algorithm, [(b64decode(text), size) for text, size in parts])


def multipart_etag(parts: Iterable[str]) -> str:
    """Return the ETag of an object in parts from the parts' MD5 digits: `<32 digits>-N`."""
    digests = [bytes.fromhex(part) for part in parts]
    joined = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{joined}-{len(digests)}"
