"""Checksums against published check values, zlib and hashlib.

Check values of "123456789" from the catalogue of parametrised CRC algorithms
(https://reveng.sourceforge.io/crc-catalogue/all.htm): CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME.
"""

from __future__ import annotations

import base64
import hashlib
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.base import checksums, crc

CHECKS = {crc.CRC32: 0xCBF43926, crc.CRC32C: 0xE3069283, crc.CRC64NVME: 0xAE8B14860A799888}
# Sizes around every block size of the implementation, so that each path runs.
SIZES = [0, 1, 8191, 8192, 8193, 65536 + 8192 + 3, (1 << 20) + 65536 + 9]


@pytest.mark.parametrize(("code", "check"), CHECKS.items())
def test_published_check_values(code, check):
    assert crc.update(code, 0, b"123456789") == check


@pytest.mark.parametrize("size", SIZES)
def test_blocks_give_what_zlib_gives(size):
    content = random.Random(size).randbytes(size)
    assert crc.update(crc.CRC32, 0, content) == zlib.crc32(content)
    assert crc.update(crc.CRC32, zlib.crc32(b"before"), content) == zlib.crc32(b"before" + content)


@pytest.mark.parametrize("code", [crc.CRC32C, crc.CRC64NVME])
def test_blocks_give_what_bytes_give(code):
    content = random.Random(1).randbytes(8192 + 65536)
    whole = crc.update(code, 0, content)
    check = 0
    for start in range(0, len(content), 1000):  # below every block size: byte by byte
        check = crc.update(code, check, content[start : start + 1000])
    assert whole == check


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_joined_checks_are_those_of_joined_content(first, second):
    for code in CHECKS:
        joined = crc.combine(
            code, crc.update(code, 0, first), crc.update(code, 0, second), len(second)
        )
        assert joined == crc.update(code, 0, first + second)


@pytest.mark.parametrize("algorithm", checksums.ALGORITHMS)
@settings(max_examples=20)
@given(pieces=st.lists(st.binary(max_size=50), max_size=5))
def test_pieces_give_the_checksum_of_the_whole(algorithm, pieces):
    one, many = checksums.new_checksum(algorithm), checksums.new_checksum(algorithm.lower())
    one.update(b"".join(pieces))
    for piece in pieces:
        many.update(piece)
    assert one.text() == many.text()


def test_texts_are_base64_of_big_endian_digests():
    texts = {}
    for algorithm in checksums.ALGORITHMS:
        checksum = checksums.new_checksum(algorithm)
        checksum.update(b"123456789")
        texts[algorithm] = checksum.text()
    assert texts["CRC32"] == base64.b64encode(bytes.fromhex("CBF43926")).decode()
    assert texts["CRC64NVME"] == base64.b64encode(bytes.fromhex("AE8B14860A799888")).decode()
    assert texts["SHA256"] == base64.b64encode(hashlib.sha256(b"123456789").digest()).decode()


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_full_object_checksums_join_parts(algorithm):
    parts = [b"a" * 70_000, b"b", b"", b"c" * 9000]
    digests = []
    for part in parts:
        checksum = checksums.new_checksum(algorithm)
        checksum.update(part)
        digests.append((checksum.digest(), len(part)))
    whole = checksums.new_checksum(algorithm)
    whole.update(b"".join(parts))
    assert checksums.full_object(algorithm, digests) == whole.text()


def test_composite_checksums_hash_the_parts_digests():
    digests = [hashlib.sha256(part).digest() for part in (b"a", b"b")]
    expected = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert checksums.composite("SHA256", digests) == f"{expected}-2"


def test_headers_name_algorithms():
    assert checksums.checksum_header("CRC64NVME") == "x-amz-checksum-crc64nvme"
    assert checksums.algorithm_of_header("x-amz-checksum-sha256") == "SHA256"
    assert checksums.algorithm_of_header("x-amz-checksum-type") is None
    assert checksums.algorithm_of_header("etag") is None
