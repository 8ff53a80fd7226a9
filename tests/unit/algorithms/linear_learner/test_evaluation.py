"""Metrics of models; oracle: scikit-learn's metrics."""

import numpy as np
import pytest
from sklearn import metrics

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.evaluation import final_metrics, judge
from sagebrush.algorithms.linear_learner.linear_model import LinearModel, probabilities
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    MULTICLASS,
    REGRESSOR,
    Settings,
)

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(500, 5)).astype(np.float32)


def data_of(labels: np.ndarray):
    return lambda: iter(
        [
            Batch(ROWS[i : i + 100], labels[i : i + 100].astype(np.float32))
            for i in range(0, 500, 100)
        ]
    )


def figures(labels: np.ndarray, model: LinearModel, settings: Settings) -> dict[str, float]:
    found = final_metrics(data_of(labels), model, settings, Collective())
    return {metric.name: metric.value for metric in found}


def test_binary_metrics():
    labels = (ROWS[:, 0] + RNG.normal(size=500) > 0.5).astype(int)
    settings = Settings(predictor_type=BINARY, f_beta=2.0)
    model = LinearModel(np.array([[3.5, -0.2, 0.4, 0.1, -0.6]]), np.array([-1.0]), 0.4)
    chance = probabilities(model.raw_scores(ROWS), settings)[:, 0]
    called = chance >= 0.4
    assert figures(labels, model, settings) == pytest.approx(
        {
            "binary_classification_cross_entropy_objective": metrics.log_loss(labels, chance),
            "binary_classification_accuracy": metrics.accuracy_score(labels, called),
            "binary_f_2.000": metrics.fbeta_score(labels, called, beta=2),
            "precision": metrics.precision_score(labels, called),
            "recall": metrics.recall_score(labels, called),
            "roc_auc_score": metrics.roc_auc_score(labels, chance),
        }
    )


def test_metrics_are_of_all_rows_however_few_calibrate():
    labels = (ROWS[:, 0] + RNG.normal(size=500) > 0.5).astype(int)
    model = LinearModel(np.array([[3.5, -0.2, 0.4, 0.1, -0.6]]), np.array([-1.0]), 0.4)
    found = [
        figures(labels, model, Settings(predictor_type=BINARY, num_calibration_samples=samples))
        for samples in ("auto", 30)
    ]
    assert found[0] == found[1]


def test_multiclass_metrics():
    labels = np.clip(np.round(ROWS[:, 0] + 2 + RNG.normal(size=500) / 3), 0, 3).astype(int)
    settings = Settings(predictor_type=MULTICLASS, num_classes=4, accuracy_top_k=2)
    model = LinearModel(RNG.normal(size=(4, 5)), RNG.normal(size=4))
    scores = model.raw_scores(ROWS)
    called = scores.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    gain = metrics.ndcg_score(np.eye(4)[labels], scores)
    loss = metrics.log_loss(labels, probabilities(scores, settings))
    assert figures(labels, model, settings) == pytest.approx(
        {
            "multiclass_cross_entropy_objective": loss,
            "multiclass_accuracy": metrics.accuracy_score(labels, called),
            "multiclass_top_k_accuracy_2": metrics.top_k_accuracy_score(labels, scores, k=2),
            "dcg": gain,
            "macro_recall": metrics.recall_score(labels, called, **macro),
            "macro_precision": metrics.precision_score(labels, called, **macro),
            "macro_f_1.000": metrics.f1_score(labels, called, **macro),
            "multiclass_balanced_accuracy": metrics.balanced_accuracy_score(labels, called),
            "multiclass_log_loss": loss,
        }
    )


def test_regression_metrics():
    labels = (ROWS @ np.arange(5) + RNG.normal(size=500)).astype(np.float32)
    settings = Settings(predictor_type=REGRESSOR, loss="quantile_loss", quantile=0.8)
    model = LinearModel(np.arange(5.0)[None] * 0.9, np.array([0.2]))
    called = model.raw_scores(ROWS)[:, 0]
    assert figures(labels, model, settings) == pytest.approx(
        {
            "quantile_loss_objective": metrics.mean_pinball_loss(labels, called, alpha=0.8),
            "mse": metrics.mean_squared_error(labels, called),
            "absolute_loss": metrics.mean_absolute_error(labels, called),
            "rmse": metrics.root_mean_squared_error(labels, called),
        },
        rel=1e-5,
    )


def test_judging_all_models_agrees_with_judging_each():
    labels = (ROWS[:, 0] > 0).astype(int)
    weights = RNG.normal(size=(5, 3, 1))
    weights[:, 1, 0] = [5, 0, 0, 0, 0]
    bias = np.zeros((3, 1))
    settings = Settings(predictor_type=BINARY)
    judgement = judge(data_of(labels), weights, bias, settings, Collective())
    assert judgement.best == 1
    assert judgement.criterion_name == "sampled_accuracy"
    assert judgement.criterion[1] == 1.0
    for model in range(3):
        single = LinearModel(weights[:, model].T, bias[model], 0.5)
        expected = figures(labels, single, settings)
        name = "binary_classification_cross_entropy_objective"
        assert judgement.objective[model] == pytest.approx(expected[name], rel=1e-4)


def test_a_model_that_went_to_infinity_is_never_chosen():
    labels = ROWS[:, 0]
    weights = np.zeros((5, 2, 1))
    weights[0, 0, 0] = np.nan
    settings = Settings(predictor_type=REGRESSOR)
    assert judge(data_of(labels), weights, np.zeros((2, 1)), settings, Collective()).best == 1
