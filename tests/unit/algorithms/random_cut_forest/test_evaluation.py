"""Figures of the three-sigma rule beside scikit-learn's."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.random_cut_forest import evaluation
from sagebrush.algorithms.random_cut_forest.evaluation import (
    ScoredRows,
    confusion,
    figures,
    label_flaw,
    threshold,
)

BOTH = ["accuracy", "precision_recall_fscore"]


def scored(scores: np.ndarray, labels: np.ndarray) -> ScoredRows:
    rows = ScoredRows()
    for first in range(0, len(scores), 100):
        rows.add(scores[first : first + 100], labels[first : first + 100])
    return rows


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = (generator.random(5000) < 0.02).astype(np.float32)
    scores = generator.normal(0.8, 0.1, 5000) + labels * generator.normal(0.5, 0.3, 5000)
    return scores.astype(np.float32).astype(np.float64), labels


@pytest.mark.parametrize("chunk_rows", [77, 1 << 18])
def test_figures_are_scikit_learns_at_three_standard_deviations(drawn, monkeypatch, chunk_rows):
    monkeypatch.setattr(evaluation, "CHUNK_ROWS", chunk_rows)
    monkeypatch.setattr(evaluation, "IN_MEMORY_BYTES", 1000)
    scores, labels = drawn
    rows = scored(scores, labels)
    limit = threshold(rows, Collective())
    assert limit == pytest.approx(scores.mean() + 3 * scores.std(), rel=1e-9)
    found = figures(confusion(rows, limit, Collective()), BOTH)
    called = scores > limit
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called)
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(labels, called),
            "precision": precision[1],
            "recall": recall[1],
            "f1": f1[1],
            "negative_precision": precision[0],
            "negative_recall": recall[0],
            "negative_f1": f1[0],
        }
    )
    assert 0.3 < found["f1"] < 0.9
    rows.close()


def test_only_what_was_asked_for_is_reported():
    counts = np.array([[90, 2], [3, 5]])
    assert figures(counts, ["accuracy"]) == {"accuracy": 0.95}
    assert "accuracy" not in figures(counts, ["precision_recall_fscore"])


def test_equal_scores_flag_nothing_and_divide_by_nothing():
    rows = scored(np.full(10, 0.5), np.zeros(10, np.float32))
    found = figures(confusion(rows, threshold(rows, Collective()), Collective()), BOTH)
    assert (found["accuracy"], found["f1"], found["precision"], found["recall"]) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("batch", "row", "text"),
    [
        (Batch(np.ones((3, 2), np.float32)), 0, "has no label"),
        (
            Batch(np.ones((3, 2), np.float32), np.array([0, 1, 2], np.float32)),
            2,
            "has the label 2; a label must be 0 or 1",
        ),
        (Batch(np.ones((2, 2), np.float32), np.array([1, np.nan], np.float32)), 1, "label nan"),
        (Batch(np.ones((2, 2), np.float32), np.array([[1, 5], [0.5, 5]])), 1, "label 0.5"),
        (
            Batch(sparse.csr_matrix([[0, 1], [np.inf, 0]]), np.zeros(2, np.float32)),
            1,
            "not a finite number",
        ),
    ],
)
def test_rows_that_cannot_be_judged_are_named(batch, row, text):
    flaw = label_flaw(batch)
    assert flaw is not None
    assert flaw.row == row
    assert text in flaw.text


def test_good_rows_have_no_flaw():
    assert label_flaw(Batch(np.ones((2, 2), np.float32), np.array([0, 1], np.float32))) is None
