"""Losses and their gradients; oracles: scikit-learn, scipy, and differences of the losses."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from sagebrush.algorithms.linear_learner.losses import (
    OBJECTIVE_NAMES,
    loss_function,
    softmax_probabilities,
)
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    LOSSES_OF,
    MULTICLASS,
    REGRESSOR,
    Settings,
)

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(40, 3)) * 2
TARGETS = RNG.normal(size=40) * 2
CLASSES = RNG.integers(0, 2, 40).astype(np.float64)
OPTIONS = {"margin": 0.7, "quantile": 0.3, "huber_delta": 0.8, "loss_insensitivity": 0.4}


def losses_of(name: str, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    kind = next(kind for kind, names in LOSSES_OF.items() if name in names)
    return loss_function(Settings(predictor_type=kind, loss=name, **OPTIONS))(scores, labels)


@pytest.mark.parametrize("name", [*LOSSES_OF[BINARY], *LOSSES_OF[REGRESSOR]])
def test_gradient_is_the_slope_of_the_loss(name: str):
    labels = CLASSES if name in LOSSES_OF[BINARY] else TARGETS
    _, gradient = losses_of(name, SCORES, labels)
    step = 1e-6
    above, below = (losses_of(name, SCORES + s, labels)[0] for s in (step, -step))
    assert gradient == pytest.approx((above - below) / (2 * step), abs=1e-5)


def test_gradient_of_softmax_is_the_slope_of_the_loss():
    scores = RNG.normal(size=(10, 2, 4))
    labels = RNG.integers(0, 4, 10).astype(np.float64)
    _, gradient = losses_of("softmax_loss", scores, labels)
    step = 1e-6
    for cls in range(4):
        move = np.zeros(4)
        move[cls] = step
        above, below = (losses_of("softmax_loss", scores + s * move, labels)[0] for s in (1, -1))
        assert gradient[:, :, cls] == pytest.approx((above - below) / (2 * step), abs=1e-5)


def test_classification_losses_are_those_of_scikit_learn():
    logistic, _ = losses_of("logistic", SCORES, CLASSES)
    expected = metrics.log_loss(CLASSES, special.expit(SCORES[:, 0]))
    assert logistic[:, 0].mean() == pytest.approx(expected)
    hinge, _ = losses_of("hinge_loss", SCORES * 0.7, CLASSES)
    assert hinge[:, 1].mean() == pytest.approx(0.7 * metrics.hinge_loss(CLASSES, SCORES[:, 1]))
    scores = RNG.normal(size=(10, 1, 4))
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3, 1, 2.0])
    softmax, _ = losses_of("softmax_loss", scores, labels)
    expected = metrics.log_loss(labels, special.softmax(scores[:, 0], axis=1))
    assert softmax.mean() == pytest.approx(expected)


def test_regression_losses_are_those_of_scikit_learn_and_scipy():
    scores = SCORES[:, :1]
    residuals = scores[:, 0] - TARGETS
    means = {name: losses_of(name, scores, TARGETS)[0].mean() for name in LOSSES_OF[REGRESSOR]}
    assert means["squared_loss"] == pytest.approx(metrics.mean_squared_error(TARGETS, scores))
    assert means["absolute_loss"] == pytest.approx(metrics.mean_absolute_error(TARGETS, scores))
    pinball = metrics.mean_pinball_loss(TARGETS, scores, alpha=0.3)
    assert means["quantile_loss"] == pytest.approx(pinball)
    assert means["huber_loss"] == pytest.approx(special.huber(0.8, residuals).mean())
    tube = np.maximum(np.abs(residuals) - 0.4, 0)
    assert means["eps_insensitive_absolute_loss"] == pytest.approx(tube.mean())
    assert means["eps_insensitive_squared_loss"] == pytest.approx((tube**2).mean())


def test_huge_scores_neither_overflow_nor_lose_the_loss():
    scores = np.array([[1000.0], [-1000.0]], np.float32)
    losses, gradient = losses_of("logistic", scores, np.zeros(2, np.float32))
    assert losses.ravel().tolist() == [1000.0, 0.0]
    assert gradient.ravel().tolist() == [1.0, 0.0]
    assert softmax_probabilities(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_every_loss_has_a_name_in_the_log():
    names = {name for kind in (BINARY, MULTICLASS, REGRESSOR) for name in LOSSES_OF[kind]}
    assert names == OBJECTIVE_NAMES.keys()
    assert all(name.endswith("_objective") for name in OBJECTIVE_NAMES.values())
