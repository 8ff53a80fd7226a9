"""The three studies: data that ship with scikit-learn, hyperparameters, and how to judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets, metrics

Array = NDArray[np.float64]
_HELD_OUT = 0.25
_SEED = 20


@dataclass(frozen=True)
class Score:
    """A figure on held-out rows, beside what a guess without a model gives."""

    name: str
    value: float
    baseline: float
    higher_is_better: bool = True

    @property
    def beats_baseline(self) -> bool:
        """Whether the model is better than the guess."""
        better = self.value > self.baseline
        return better if self.higher_is_better else self.value < self.baseline


@dataclass(frozen=True)
class Study:
    """One data set, one algorithm.

    `features` is (rows, columns), `labels` (rows,). `label_in_training` says whether the label is
    the first column of the training file. `predict_field` is the field of a JSON prediction;
    `judge` turns the held-out labels and the predictions into scores.
    """

    title: str
    story: str
    algorithm: str
    image: str
    features: Array
    labels: Array
    hyperparameters: dict[str, str]
    predict_field: str
    judge: Callable[[Array, Array, Array], list[Score]]
    label_in_training: bool = True
    curve_metrics: tuple[str, ...] = ()
    kind: str = "classification"
    extra: dict[str, Any] = field(default_factory=dict)

    def split(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the row numbers for training and for judging, always the same."""
        order = np.random.default_rng(_SEED).permutation(len(self.labels))
        cut = int(len(order) * (1 - _HELD_OUT))
        return order[:cut], order[cut:]


def studies() -> list[Study]:
    """Return the three studies."""
    return [_breast_cancer(), _diabetes(), _digits()]


def _breast_cancer() -> Study:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return Study(
        title="Breast cancer",
        story="569 tumours, 30 measurements each: malignant or benign?",
        algorithm="XGBoost",
        image="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
        features=X,
        labels=y.astype(float),
        hyperparameters={
            "objective": "binary:logistic",
            "num_round": "60",
            "eta": "0.15",
            "max_depth": "4",
            "subsample": "0.8",
            "eval_metric": "logloss,auc",
        },
        predict_field="score",
        judge=_judge_classifier,
        curve_metrics=("train:logloss", "validation:logloss"),
    )


def _diabetes() -> Study:
    X, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return Study(
        title="Diabetes",
        story="442 patients, 10 measurements each: how far will the disease be in a year?",
        algorithm="Linear Learner",
        image="382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
        features=X,
        labels=y,
        hyperparameters={
            "predictor_type": "regressor",
            "feature_dim": "10",
            "mini_batch_size": "50",
            "epochs": "40",
        },
        predict_field="score",
        judge=_judge_regressor,
        curve_metrics=("validation:objective_loss",),
        kind="regression",
    )


def _digits() -> Study:
    X, y = datasets.load_digits(return_X_y=True)
    return Study(
        title="Handwritten digits",
        story="1797 images of 8 by 8 pixels, clustered without seeing a label",
        algorithm="K-Means",
        image="382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
        features=X,
        labels=y.astype(float),
        hyperparameters={
            "k": "10",
            "feature_dim": "64",
            "mini_batch_size": "500",
            "init_method": "kmeans++",
        },
        predict_field="closest_cluster",
        judge=_judge_clusters,
        label_in_training=False,
        kind="clustering",
    )


def _judge_classifier(_train: Array, truth: Array, predicted: Array) -> list[Score]:
    majority = max(truth.mean(), 1 - truth.mean())
    return [
        Score("accuracy", float(((predicted > 0.5) == truth).mean()), float(majority)),
        Score("area under the ROC curve", float(metrics.roc_auc_score(truth, predicted)), 0.5),
    ]


def _judge_regressor(train: Array, truth: Array, predicted: Array) -> list[Score]:
    guess = np.full_like(truth, train.mean())
    return [
        Score(
            "root mean squared error",
            float(np.sqrt(np.mean((truth - predicted) ** 2))),
            float(np.sqrt(np.mean((truth - guess) ** 2))),
            higher_is_better=False,
        ),
        Score("R²", float(metrics.r2_score(truth, predicted)), 0.0),
    ]


def _judge_clusters(_train: Array, truth: Array, predicted: Array) -> list[Score]:
    purity = sum(
        np.bincount(truth[predicted == cluster].astype(int)).max()
        for cluster in np.unique(predicted)
    ) / len(truth)
    return [
        Score("purity", float(purity), float(np.bincount(truth.astype(int)).max() / len(truth))),
        Score(
            "adjusted mutual information",
            float(metrics.adjusted_mutual_info_score(truth, predicted)),
            0.0,
        ),
    ]
