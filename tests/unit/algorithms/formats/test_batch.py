"""Batches of an exact size from blocks of any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sagebrush.algorithms.formats.batch import Batch, concatenate, rebatch


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 10), st.booleans())
def test_rows_keep_their_order_in_batches_of_the_size(sizes, batch_rows, is_sparse):
    total = sum(sizes)
    features = np.arange(total * 2, dtype=np.float32).reshape(total, 2)
    labels = np.arange(total, dtype=np.float32)
    blocks, start = [], 0
    for size in sizes:
        part = features[start : start + size]
        blocks.append(
            Batch(sparse.csr_matrix(part) if is_sparse else part, labels[start : start + size])
        )
        start += size

    batches = list(rebatch(blocks, batch_rows))

    assert all(batch.rows == batch_rows for batch in batches[:-1])
    assert [batch.rows for batch in batches[-1:]] in ([], [total - batch_rows * (len(batches) - 1)])
    if batches:
        whole = concatenate(batches)
        found = whole.features.toarray() if is_sparse else whole.features
        np.testing.assert_array_equal(found, features)
        np.testing.assert_array_equal(whole.labels, labels)


def test_sparse_rows_take_the_greatest_width():
    batch = concatenate(
        [Batch(sparse.csr_matrix(np.eye(2, 3, dtype=np.float32))), Batch(np.ones((1, 2)))]
    )
    assert batch.features.shape == (3, 3)
    assert batch.labels is None


def test_labels_of_some_rows_only_are_refused():
    with pytest.raises(ValueError, match="some have none"):
        concatenate([Batch(np.ones((1, 2)), np.ones(1)), Batch(np.ones((1, 2)))])
    with pytest.raises(ValueError, match="at least one row"):
        list(rebatch([], 0))
