"""Concatenated Parquet files written by Arrow."""

import io
import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.parquet_stream import parquet_files, read_parquet_stream_blocks


def file_of(values: list[float], **options) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"y": pa.array(values, pa.float64())}), sink, **options)
    return sink.getvalue().to_pybytes()


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-1e6, 1e6), max_size=50),
            st.sampled_from([{}, {"use_dictionary": False}, {"write_page_index": True}]),
            st.sampled_from(["none", "snappy", "zstd"]),
        ),
        max_size=5,
    )
)
def test_every_file_is_found_and_read(files):
    parts = [file_of(values, compression=kind, **options) for values, options, kind in files]
    ends = np.cumsum([0, *map(len, parts)]).tolist()
    stream = b"".join(parts)
    assert parquet_files(stream, "train_0") == list(itertools.pairwise(ends))
    blocks = list(read_parquet_stream_blocks(io.BytesIO(stream), "train_0"))
    found = np.concatenate(blocks)[:, 0] if blocks else np.empty(0, np.float32)
    expected = [value for values, _, _ in files for value in values]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_bytes_that_look_like_a_boundary_inside_a_column_are_none():
    sink = pa.BufferOutputStream()
    marker = int.from_bytes(b"PAR1PAR1", "little")
    table = pa.table({"y": np.full(100, marker, np.int64)})
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    tricky = sink.getvalue().to_pybytes()
    assert tricky.count(b"PAR1PAR1") >= 100
    plain = file_of([1.0, 2.0])
    expected = [(0, len(plain)), (len(plain), len(plain) + len(tricky))]
    assert parquet_files(plain + tricky, "p") == expected


@pytest.mark.parametrize("cut", [1, 5, 9, 40])
def test_a_stream_that_was_cut_off_is_refused(cut):
    stream = file_of([1.0]) + file_of([2.0])[:-cut]
    with pytest.raises(ClientError, match="train_0 as parquet: no whole file ends at byte"):
        list(read_parquet_stream_blocks(io.BytesIO(stream), "train_0"))


def test_other_bytes_and_text_columns_are_refused_by_name():
    for stream in (b"1,2,3\n", b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1"):
        with pytest.raises(ClientError, match="train_0 as parquet"):
            list(read_parquet_stream_blocks(io.BytesIO(stream), "train_0"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"city": ["Rome"]}), sink)
    stream = file_of([1.0]) + sink.getvalue().to_pybytes()
    with pytest.raises(ClientError, match="file 2 of train_0: column 'city' holds string"):
        list(read_parquet_stream_blocks(io.BytesIO(stream), "train_0"))
