"""Calibration; oracles: scikit-learn's metrics at every threshold, tried one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sagebrush.algorithms.linear_learner import thresholds
from sagebrush.algorithms.linear_learner.settings import Settings
from sagebrush.algorithms.linear_learner.thresholds import (
    best_threshold,
    best_values,
    confusion_at,
    histogram,
    overlap,
    roc_auc,
)

SAMPLES = st.integers(0, 10_000).map(
    lambda seed: (
        np.random.default_rng(seed).normal(size=60).round(1),
        np.append(np.random.default_rng(seed + 1).integers(0, 2, 58), [0, 1]),
    )
)


def criteria(name: str, scores: np.ndarray, labels: np.ndarray) -> dict[float, float]:
    """The criterion at every score taken as the threshold, by scikit-learn's curve."""
    precision, recall, at = metrics.precision_recall_curve(labels, scores)
    precision, recall = precision[:-1], recall[:-1]
    if name == "accuracy":
        values = [(labels == (scores >= each)).mean() for each in at]
    elif name in ("f_beta", "f1"):
        square = 4.0 if name == "f_beta" else 1.0
        both = square * precision + recall
        values = (1 + square) * precision * recall / np.where(both > 0, both, 1)
    elif name == "precision_at_target_recall":
        values = np.where(recall >= 0.8, precision, recall - 2)
    else:
        values = np.where(precision >= 0.8, recall, precision - 2)
    return dict(zip(at.tolist(), np.asarray(values).tolist(), strict=True))


def options(name: str) -> Settings:
    return Settings(binary_classifier_model_selection_criteria=name, f_beta=2.0)


NAMES = [
    "accuracy",
    "f_beta",
    "f1",
    "precision_at_target_recall",
    "recall_at_target_precision",
]


@pytest.mark.parametrize("name", NAMES)
@given(SAMPLES)
@settings(max_examples=25, deadline=None)
def test_no_threshold_is_better_than_the_calibrated_one(name: str, sample):
    scores, labels = sample
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thresholds, "TOLERATED_ERRORS", 0.0)
        patch.setattr(thresholds, "TOLERATED_ROWS", 0.0)
        patch.setattr(thresholds, "MOVING_ERRORS", 0.0)
        found = best_threshold(scores, labels, options(name), -100.0)
    values = criteria(name, scores, labels)
    assert found.value == pytest.approx(max(values.values()))
    called = scores[scores >= found.threshold].min()
    assert found.value == pytest.approx(values[called])


def test_few_rows_do_not_move_the_threshold_by_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 50)
    scores = labels * 4.0 - 2 + rng.normal(size=50)
    assert best_threshold(scores, labels, Settings(), 0.0).threshold == 0.0
    assert best_threshold(scores + 3, labels, Settings(), 0.0).threshold == pytest.approx(
        3, abs=1.5
    )


@given(SAMPLES)
@settings(max_examples=50, deadline=None)
def test_area_under_the_curve_is_that_of_scikit_learn(sample):
    scores, labels = sample
    assert roc_auc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores))


def test_area_of_one_class_is_a_coin_toss():
    assert roc_auc(np.arange(3.0), np.ones(3)) == 0.5


def test_confusion_at_a_threshold_counts_rows_at_it_as_positive():
    confusion = confusion_at(np.array([0.0, 1.0, 2.0]), np.array([1, 0, 1]), 1.0)
    assert (confusion.true_positives, confusion.false_positives) == (1, 1)
    assert (confusion.positives, confusion.negatives) == (2, 1)


@pytest.mark.parametrize("name", NAMES)
def test_coarse_selection_agrees_with_the_exact_one(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(thresholds, "TOLERATED_ERRORS", 0.0)
    monkeypatch.setattr(thresholds, "TOLERATED_ROWS", 0.0)
    monkeypatch.setattr(thresholds, "MOVING_ERRORS", 0.0)
    rng = np.random.default_rng(1)
    labels = (rng.random(4000) < 0.2).astype(np.float32)
    noise = rng.normal(size=(4000, 3)) * [0.5, 1.0, 3.0]
    scores = (labels[:, None] + noise).astype(np.float32)
    low, high = overlap(scores, labels)
    coarse = best_values(histogram(scores, labels, low, high), options(name))
    exact = [best_threshold(scores[:, m], labels, options(name), 0.5).value for m in range(3)]
    assert coarse == pytest.approx(exact, abs=0.01)
    assert coarse.argmax() == 0


def test_histograms_of_parts_add_up_to_that_of_the_whole():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 100)
    scores = rng.normal(size=(100, 2)).astype(np.float32)
    low, high = overlap(scores, labels)
    parts = sum(histogram(scores[i::2], labels[i::2], low, high) for i in (0, 1))
    assert np.array_equal(parts, histogram(scores, labels, low, high))
    assert parts.sum() == 200
