"""MXNet's NDArray list; the golden bytes follow mxnet 1.9.1's NDArray::Save."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.formats.mxnet import (
    RowSparse,
    decode_arrays,
    decode_stored,
    encode_arrays,
)

GOLDEN = (
    struct.pack("<QQQ", 0x112, 0, 1)
    + struct.pack("<IiIqqiii", 0xF993FAC9, 0, 2, 1, 2, 1, 0, 0)
    + struct.pack("<ff", 1.0, -2.0)
    + struct.pack("<QQ", 1, 1)
    + b"w"
)

# As mxnet 1.9.1 saved {"arg:v": row_sparse_array(([[1, 2], [3, 4]], [1, 3]), shape=(5, 2))}.
ROW_SPARSE = bytes.fromhex(
    "120100000000000000000000000000000100000000000000c9fa93f9010000000200000002000000000000000200"
    "000000000000020000000500000000000000020000000000000001000000000000000000000006000000010000"
    "0002000000000000000000803f00000040000040400000804001000000000000000300000000000000010000000000"
    "000005000000000000006172673a76"
)


def test_a_row_sparse_array_is_written_and_read_as_mxnet_does():
    stored = decode_stored(ROW_SPARSE)["arg:v"]
    assert isinstance(stored, RowSparse)
    assert encode_arrays({"arg:v": stored}) == ROW_SPARSE
    dense = [[0, 0], [1, 2], [0, 0], [3, 4], [0, 0]]
    np.testing.assert_array_equal(decode_arrays(ROW_SPARSE)["arg:v"], dense)


@given(st.integers(0, len(ROW_SPARSE) - 1))
def test_a_row_sparse_file_that_is_cut_off_is_refused(size):
    with pytest.raises(ValueError, match="cut off"):
        decode_arrays(ROW_SPARSE[:size])


@pytest.mark.parametrize("rows", [[1, 5], [-1, 3], [0, 1, 2]])
def test_rows_outside_a_row_sparse_array_are_refused(rows):
    wrong = RowSparse(np.array(rows), np.ones((2, 2), np.float32), (5, 2))
    with pytest.raises(ValueError, match="do not fit its shape"):
        decode_arrays(encode_arrays([wrong]))


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
