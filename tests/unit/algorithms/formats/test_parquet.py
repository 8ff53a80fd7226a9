"""Parquet files written by Arrow."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.parquet import read_parquet_blocks


def test_numeric_columns_of_any_type_become_floats_in_order(tmp_path):
    table = pa.table(
        {
            "y": pa.array([1, 0, 1], pa.int8()),
            "a": pa.array([1.5, None, 2.5], pa.float64()),
            "b": pa.array([True, False, True]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (rows,) = read_parquet_blocks(tmp_path / "a.parquet", "train/a.parquet")
    np.testing.assert_array_equal(rows, [[1, 1.5, 1], [0, np.nan, 0], [1, 2.5, 1]])
    assert rows.dtype == np.float32


def test_long_files_come_in_blocks(tmp_path):
    pq.write_table(pa.table({"y": np.arange(200_000)}), tmp_path / "a")
    blocks = list(read_parquet_blocks(tmp_path / "a", "a"))
    assert len(blocks) > 1
    np.testing.assert_array_equal(np.concatenate(blocks)[:, 0], np.arange(200_000))


def test_other_files_and_text_columns_are_refused_by_name(tmp_path):
    (tmp_path / "a").write_bytes(b"1,2,3\n")
    with pytest.raises(ClientError, match="train/a as parquet"):
        list(read_parquet_blocks(tmp_path / "a", "train/a"))
    pq.write_table(pa.table({"y": [1], "city": ["Rome"]}), tmp_path / "b")
    with pytest.raises(ClientError, match="train/b: column 'city' holds string"):
        list(read_parquet_blocks(tmp_path / "b", "train/b"))
