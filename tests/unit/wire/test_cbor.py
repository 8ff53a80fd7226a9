"""CBOR against the examples of RFC 8949, appendix A, and against botocore's serialiser."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.wire.cbor import CborError, Timestamp, decode, encode

RFC_EXAMPLES = [
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("20", -1),
    ("3903e7", -1000),
    ("fb3ff199999999999a", 1.1),
    ("fbc010666666666666", -4.1),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6449455446", "IETF"),
    ("62c3bc", "ü"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("a0", {}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
]
READ_ONLY_EXAMPLES = [
    ("f90000", 0.0),
    ("f93e00", 1.5),
    ("f97bff", 65504.0),
    ("f9c400", -4.0),
    ("fa47c35000", 100000.0),
    ("f97c00", math.inf),
    ("f9fc00", -math.inf),
    ("f7", None),
    ("c11a514b67b0", 1363896240),
    ("c1fb41d452d9ec200000", 1363896240.5),
    ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
    ("7f657374726561646d696e67ff", "streaming"),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
]


@pytest.mark.parametrize(("octets", "item"), RFC_EXAMPLES)
def test_examples_are_written_as_in_the_rfc(octets, item):
    assert encode(item).hex() == octets


@pytest.mark.parametrize(("octets", "item"), RFC_EXAMPLES + READ_ONLY_EXAMPLES)
def test_examples_are_read_as_in_the_rfc(octets, item):
    got = decode(bytes.fromhex(octets))
    assert got == item
    assert type(got) is type(item)


def test_timestamps_have_tag_1():
    assert encode(Timestamp(1363896240)).hex() == "c11a514b67b0"
    assert encode(Timestamp(1363896240.5)).hex() == "c1fb41d452d9ec200000"


def test_not_a_number_survives():
    assert math.isnan(decode(encode(math.nan)))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "18",
        "1c",
        "ff",
        "61",
        "61ff",
        "8101ff",
        "9f",
        "9fff00",
        "a10102",
        "bf6161ff",
        "c200",
        "f8ff",
    ],
)
def test_what_is_no_item_is_refused(octets):
    with pytest.raises(CborError):
        decode(bytes.fromhex(octets.strip("-")))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=25,
)


@given(TREES)
def test_trees_survive(tree):
    assert decode(encode(tree)) == tree


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_the_documented_error(content):
    try:
        decode(content)
    except CborError:
        return


def test_deep_nesting_and_false_lengths_are_refused_at_once():
    for content in (
        b"\x81" * 100_000,
        b"\x9f" * 100_000,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
    ):
        with pytest.raises(CborError):
            decode(content)
