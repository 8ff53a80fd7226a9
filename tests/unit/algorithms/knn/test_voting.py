"""The labels of neighbours; oracle: scipy's mode, which also prefers the smallest of a tie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mode

from sagebrush.algorithms.knn import voting


@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 90), st.integers(0, 9))
def test_majority_is_the_mode(k: int, rows: int, classes: int, seed: int):
    labels = np.random.default_rng(seed).integers(-3, classes, (rows, k)).astype(np.float32)
    expected = mode(labels, axis=1).mode
    assert voting.majority_labels(labels).tolist() == expected.tolist()


def test_many_classes_and_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch):
    labels = np.random.default_rng(0).integers(0, 9, (500, 7)).astype(np.float32)
    expected = mode(labels, axis=1).mode
    monkeypatch.setattr(voting, "BLOCK_COUNTS", 50)
    assert np.array_equal(voting.majority_labels(labels), expected)
    monkeypatch.setattr(voting, "FEW_CLASSES", 1)
    assert np.array_equal(voting.majority_labels(labels), expected)


def test_mean_of_neighbours():
    assert voting.mean_labels(np.array([[1, 2, 6], [0, 0, 1]], np.float32)) == pytest.approx(
        [3, 1 / 3]
    )
