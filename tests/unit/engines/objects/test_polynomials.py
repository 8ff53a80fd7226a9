"""CRCs against the catalogue's check values and zlib."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.objects.polynomials import CRC32, CRC32C, CRC64NVME, Polynomial

# Check values of b"123456789" in Greg Cook's catalogue of parametrised CRC algorithms.
CHECKS = [
    (CRC32, 0xCBF43926),
    (CRC32C, 0xE3069283),
    (CRC64NVME, 0xAE8B14860A799888),
]


@pytest.mark.parametrize(("polynomial", "check"), CHECKS)
def test_update_gives_the_catalogues_check_value(polynomial: Polynomial, check: int) -> None:
    assert polynomial.update(0, b"123456789") == check


@given(st.binary(max_size=300))
def test_update_agrees_with_zlib(data: bytes) -> None:
    assert CRC32.update(0, data) == zlib.crc32(data)


def test_update_of_blocks_agrees_with_zlib() -> None:
    data = random.Random(1).randbytes((1 << 21) + 77)
    assert CRC32.update(0, data) == zlib.crc32(data)
    assert CRC32.update(zlib.crc32(b"before"), data) == zlib.crc32(b"before" + data)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_combine_is_the_check_of_the_whole(first: bytes, second: bytes) -> None:
    for polynomial, _ in CHECKS:
        joined = polynomial.combine(
            polynomial.update(0, first), polynomial.update(0, second), len(second)
        )
        assert joined == polynomial.update(0, first + second)
