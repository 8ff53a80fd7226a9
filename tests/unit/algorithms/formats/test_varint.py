"""Vectorised varints against protobuf's own encoder."""

import numpy as np
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.formats.varint import decode_varints, encode_varint, encode_varints

UINT64 = st.integers(0, 2**64 - 1)


@given(st.lists(UINT64, max_size=50))
def test_varints_are_those_of_protobuf(numbers):
    expected = b"".join(map(_VarintBytes, numbers))
    values = np.array(numbers, np.uint64)
    assert encode_varints(values).tobytes() == expected
    assert b"".join(map(encode_varint, numbers)) == expected
    np.testing.assert_array_equal(decode_varints(np.frombuffer(expected, np.uint8)), values)


@pytest.mark.parametrize("data", [b"\x80", b"\x01\xff", b"\x80" * 10 + b"\x01"])
def test_a_cut_or_endless_varint_is_refused(data):
    with pytest.raises(ValueError, match="varint"):
        decode_varints(np.frombuffer(data, np.uint8))
