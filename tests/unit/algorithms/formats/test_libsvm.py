"""libsvm text against scikit-learn's loader."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import concatenate
from sagebrush.algorithms.formats.libsvm import parse_libsvm, read_libsvm_blocks

VALUES = st.floats(-1e4, 1e4, width=32)


@given(
    st.lists(
        st.tuples(
            VALUES,
            st.dictionaries(st.integers(0, 200), VALUES, max_size=8),
            st.sampled_from(["", "  ", "\t", " # a comment 7:8"]),
        ),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n# only a comment\n"]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_rows_are_those_that_scikit_learn_reads(rows, newline, with_query):
    query = [f"qid:{i // 2} " if with_query else "" for i in range(len(rows))]
    text = newline.join(
        f"{label!r} {qid}" + " ".join(f"{k}:{v!r}" for k, v in sorted(pairs.items())) + tail
        for (label, pairs, tail), qid in zip(rows, query, strict=True)
    ).encode()
    X, y, q = load_svmlight_file(
        io.BytesIO(text), n_features=201, zero_based=True, query_id=True, dtype=np.float64
    )

    batch = parse_libsvm(text, "x")

    assert batch.features.shape[1] <= 201
    found = batch.features.toarray()
    np.testing.assert_allclose(found, X.toarray()[:, : found.shape[1]], rtol=1e-6)
    assert not X.toarray()[:, found.shape[1] :].any()
    np.testing.assert_allclose(batch.labels, y, rtol=1e-6)
    if with_query:
        np.testing.assert_array_equal(batch.groups, q)
    else:
        assert batch.groups is None


def test_text_longer_than_a_block_is_read_whole():
    X = sparse.random(20000, 300, 0.05, format="csr", random_state=0)
    y = np.arange(20000) % 5
    text = io.BytesIO()
    dump_svmlight_file(X, y, text)
    text.seek(0)
    blocks = list(read_libsvm_blocks(text, "x"))
    assert len(blocks) > 1
    batch = concatenate(blocks)
    np.testing.assert_array_equal(batch.labels, y)
    assert abs(batch.features - X.astype(np.float32)).max() < 1e-6


def test_weights_follow_the_label():
    batch = parse_libsvm(b"1:0.5 0:1\n0 0:2\n1:2 3:4\n", "x")
    np.testing.assert_array_equal(batch.labels, [1, 0, 1])
    np.testing.assert_array_equal(batch.weights, [0.5, 1, 2])
    assert batch.features.shape == (3, 4)


def test_a_row_may_have_no_features():
    batch = parse_libsvm(b"1\n0 2:5\n3\n", "x")
    np.testing.assert_array_equal(batch.features.toarray(), [[0, 0, 0], [0, 0, 5], [0, 0, 0]])
    assert parse_libsvm(b"", "x").rows == 0


@pytest.mark.parametrize(
    "line",
    [
        "1 2:3 4",
        "1 a:3",
        "1 2 3:4",
        "1 1.5:2",
        "x 1:1",
        "1 2:",
        "1 :2",
        "1 2:3:4",
        "1 2:3:4 5",
        "1,2,3",
        "1 -4:2",
    ],
)
def test_a_bad_row_is_named(line):
    text = b"1 1:1\n\n0 2:2 # fine\n" + line.encode() + b"\n1 1:1\n"
    with pytest.raises(ClientError, match=r"row 14 of train/a.libsvm"):
        parse_libsvm(text, "train/a.libsvm", rows_before=10)


def test_a_bad_row_behind_many_blocks_is_named():
    text = io.BytesIO(b"1 3:4 7:5\n" * 1_000_000 + b"1 3:x\n")
    with pytest.raises(ClientError, match="row 1000001 of x"):
        list(read_libsvm_blocks(text, "x"))


def test_query_ids_belong_to_all_rows_or_none():
    with pytest.raises(ClientError, match=r"rows 1 to 2 of x: every row needs one qid"):
        parse_libsvm(b"1 qid:1 2:3\n1 2:3\n", "x")
    with pytest.raises(ClientError, match="too large"):
        parse_libsvm(b"1 99999999999:3\n", "x")


@given(st.binary(max_size=40), st.text("0123456789: -.eqid#\n", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(binary, text):
    for data in (binary, text.encode()):
        try:
            batch = parse_libsvm(data, "x")
        except ClientError:
            continue
        assert batch.features.shape[0] == len(batch.labels)
