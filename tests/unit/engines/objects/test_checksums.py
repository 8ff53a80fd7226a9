"""Checksums as S3 writes them."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from sagebrush.engines.objects.checksums import (
    FULL_OBJECT_ALGORITHMS,
    checksum,
    composite,
    full_object,
    multipart_etag,
)

# S3 user guide, "Checking object integrity": values for an empty object.
EMPTY = {
    "CRC32": "AAAAAA==",
    "CRC32C": "AAAAAA==",
    "CRC64NVME": "AAAAAAAAAAA=",
    "SHA1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
    "SHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
}


@pytest.mark.parametrize(("algorithm", "value"), EMPTY.items())
def test_checksum_of_nothing(algorithm: str, value: str) -> None:
    assert checksum(algorithm, b"") == value


@pytest.mark.parametrize("algorithm", sorted(FULL_OBJECT_ALGORITHMS))
def test_full_object_of_parts_is_that_of_the_whole(algorithm: str) -> None:
    parts = [b"one", b"", b"three" * 1000]
    claims = [(checksum(algorithm, part), len(part)) for part in parts]
    assert full_object(algorithm, claims) == checksum(algorithm, b"".join(parts))


def test_composite_is_the_digest_of_the_digests() -> None:
    digests = [hashlib.sha256(part).digest() for part in (b"a", b"b")]
    expected = b64encode(hashlib.sha256(b"".join(digests)).digest()).decode() + "-2"
    assert composite("SHA256", [b64encode(digest).decode() for digest in digests]) == expected


def test_multipart_etag_counts_the_parts() -> None:
    parts = [hashlib.md5(part).hexdigest() for part in (b"a", b"b", b"c")]
    expected = hashlib.md5(b"".join(bytes.fromhex(part) for part in parts)).hexdigest()
    assert multipart_etag(parts) == f"{expected}-3"
