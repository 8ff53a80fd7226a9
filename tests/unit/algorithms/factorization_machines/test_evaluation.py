"""The metrics, against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from sagebrush.algorithms.factorization_machines.evaluation import figures_of, sums_of

RANDOM = np.random.default_rng(0)


def values(sums: np.ndarray, binary: bool) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures_of(sums, binary)}


def test_figures_of_a_regressor():
    labels = RANDOM.normal(size=50).astype(np.float32)
    scores = (labels + RANDOM.normal(size=50)).astype(np.float32)
    found = values(sums_of(scores, labels, False), False)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(labels, scores), rel=1e-6)
    assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    absolute = metrics.mean_absolute_error(labels, scores)
    assert found["absolute_loss"] == pytest.approx(absolute, rel=1e-6)


def test_figures_of_a_classifier():
    labels = (RANDOM.random(80) < 0.4).astype(np.float32)
    scores = (2 * labels - 1 + 2 * RANDOM.normal(size=80)).astype(np.float32)
    found = values(sums_of(scores, labels, True), True)
    probabilities = 1 / (1 + np.exp(-scores.astype(float)))
    called = probabilities >= 0.5
    accuracy = metrics.accuracy_score(labels, called)
    assert found["binary_classification_accuracy"] == pytest.approx(accuracy)
    loss = metrics.log_loss(labels, probabilities)
    assert found["binary_classification_cross_entropy"] == pytest.approx(loss, rel=1e-6)
    assert found["binary_f_1.000"] == pytest.approx(metrics.f1_score(labels, called))


def test_sums_of_parts_add_up():
    labels = (RANDOM.random(30) < 0.5).astype(np.float32)
    scores = RANDOM.normal(size=30).astype(np.float32)
    for binary in (True, False):
        parts = sums_of(scores[:11], labels[:11], binary) + sums_of(
            scores[11:], labels[11:], binary
        )
        np.testing.assert_allclose(parts, sums_of(scores, labels, binary))


def test_extreme_scores_keep_a_finite_loss():
    sums = sums_of(np.array([1000, -1000], np.float32), np.array([0, 1], np.float32), True)
    assert values(sums, True)["binary_classification_cross_entropy"] == pytest.approx(1000)


def test_nothing_positive_has_f_zero():
    sums = sums_of(np.array([-1, -2], np.float32), np.zeros(2, np.float32), True)
    assert values(sums, True)["binary_f_1.000"] == 0.0
