"""MXNet's NDArray list; the golden bytes follow mxnet 1.9.1's NDArray::Save."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays

GOLDEN = (
    struct.pack("<QQQ", 0x112, 0, 1)
    + struct.pack("<IiIqqiii", 0xF993FAC9, 0, 2, 1, 2, 1, 0, 0)
    + struct.pack("<ff", 1.0, -2.0)
    + struct.pack("<QQ", 1, 1)
    + b"w"
)


def test_a_named_array_is_written_as_mxnet_writes_it():
    assert encode_arrays({"w": np.array([[1, -2]], np.float32)}) == GOLDEN
    np.testing.assert_array_equal(decode_arrays(GOLDEN)["w"], [[1, -2]])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["f4", "f8", "f2", "u1", "i4", "i1", "i8"]),
            st.lists(st.integers(0, 4), min_size=1, max_size=3),
        ),
        max_size=4,
    )
)
def test_lists_of_any_dtype_and_shape_come_back(kinds):
    arrays = [np.arange(np.prod(shape)).reshape(shape).astype(dtype) for dtype, shape in kinds]
    decoded = decode_arrays(encode_arrays(arrays))
    assert isinstance(decoded, list)
    for ours, theirs in zip(decoded, arrays, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@given(st.integers(0, len(GOLDEN) - 1))
def test_a_file_that_is_cut_off_is_refused(size):
    with pytest.raises(ValueError, match="cut off"):
        decode_arrays(GOLDEN[:size])


def test_other_files_and_dtypes_are_refused():
    with pytest.raises(ValueError, match="not an MXNet"):
        decode_arrays(b"PK" + bytes(100))
    with pytest.raises(ValueError, match="no dtype bool"):
        encode_arrays([np.ones(2, bool)])
