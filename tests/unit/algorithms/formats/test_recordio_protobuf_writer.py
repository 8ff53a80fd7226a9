"""What we write is what Google's protobuf library writes for the same Record.

The SageMaker Python SDK's writer (sagemaker.amazon.common) fills the same message from the same
arrays, so equal bytes here mean equal files.
"""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.unit.algorithms.formats import record_oracle as oracle

from sagebrush.algorithms.formats.recordio_protobuf_writer import (
    encode_outputs,
    write_dense,
    write_sparse,
)


@given(
    st.sampled_from([np.float32, np.float64, np.int64]),
    st.integers(0, 6),
    st.integers(1, 9),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_dense_arrays_are_written_as_protobuf_writes_them(dtype, rows, width, seed):
    generator = np.random.default_rng(seed)
    features = (generator.normal(size=(rows, width)) * 1000).astype(dtype)
    labels = generator.integers(-5, 5, rows).astype(dtype)
    out = io.BytesIO()
    write_dense(out, features, labels)
    expected = [oracle.dense(row, labels[i : i + 1]) for i, row in enumerate(features)]
    assert out.getvalue() == oracle.stream(*expected)


def test_sparse_rows_are_written_as_protobuf_writes_them():
    matrix = sparse.random(20, 500, 0.02, format="csr", random_state=0, dtype=np.float64)
    matrix.sort_indices()
    out = io.BytesIO()
    write_sparse(out, matrix, np.arange(20.0))
    expected = [
        oracle.sparse(row.indices, row.data, 500, np.array([float(i)]))
        for i, row in enumerate(matrix)
    ]
    assert out.getvalue() == oracle.stream(*expected)


def test_outputs_are_labels_with_the_records_own_uid():
    uid = oracle.Record(uid="a").SerializeToString()
    outputs = {"closest_cluster": np.array([2.0, 1.0]), "score": np.array([[0.5, 0.25], [1, 0]])}
    data = encode_outputs(outputs, [uid, b""])
    size = int.from_bytes(data[4:8], "little")
    first = oracle.Record.FromString(data[8 : 8 + size])
    assert first.uid == "a"
    assert list(first.label["closest_cluster"].float32_tensor.values) == [2.0]
    assert list(first.label["score"].float32_tensor.values) == [0.5, 0.25]


def test_arrays_the_format_cannot_hold_are_refused():
    out = io.BytesIO()
    with pytest.raises(ValueError, match="Unsupported dtype float16"):
        write_dense(out, np.ones((1, 2), np.float16))
    with pytest.raises(ValueError, match="Label shape"):
        write_dense(out, np.ones((2, 2)), np.ones(3))
    with pytest.raises(ValueError, match="32 bits"):
        write_dense(out, np.array([[2**40]]))
