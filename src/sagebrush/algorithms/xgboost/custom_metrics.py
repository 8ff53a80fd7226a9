"""Evaluation metrics that the images compute themselves, on top of xgboost's own.

Definitions are scikit-learn's; classes come from margins (the largest, or above zero).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost import objectives

Array = NDArray[Any]
Metric = Callable[..., float]
"""Takes labels, predictions and the hosts that share the rows, this one alone by default."""
ALONE = Collective()


class _Counts:
    """Per class, ascending, over all hosts: true positives, predicted and actual members."""

    def __init__(self, labels: Array, predicted: Array, hosts: Collective) -> None:
        own = np.union1d(labels, predicted).astype(np.float64)
        self.classes = np.unique(hosts.concatenate(own))
        size = len(self.classes)
        actual = np.searchsorted(self.classes, labels)
        guessed = np.searchsorted(self.classes, predicted)
        counts = [
            np.bincount(places, minlength=size).astype(float)
            for places in (actual, guessed, actual[actual == guessed])
        ]
        self.actual, self.predicted, self.hits = hosts.sum(np.array(counts))

    def precision(self) -> Array:
        return _ratio(self.hits, self.predicted)

    def recall(self) -> Array:
        return _ratio(self.hits, self.actual)

    def f1(self) -> Array:
        return _ratio(2 * self.hits, self.predicted + self.actual)

    def positive(self, scores: Array) -> float:
        """The score of class 1; ClientError if there are more classes than two."""
        if len(self.classes) > 2:
            raise ClientError(
                "Target is multiclass but average='binary'. Please choose another average "
                "setting, one of [None, 'micro', 'macro', 'weighted']."
            )
        return float(scores[self.classes == 1].sum())


def _ratio(part: Array, whole: Array) -> Array:
    """Part by whole, 0 where the whole is empty."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _mean(values: Array, hosts: Collective) -> float:
    total, rows = hosts.sum(np.array([values.sum(), len(values)], np.float64))
    return float(total / rows) if rows else 0.0


def accuracy(labels: Array, predicted: Array, hosts: Collective = ALONE) -> float:
    """The share of rows whose class is right."""
    return _mean(labels == predicted, hosts)


def balanced_accuracy(labels: Array, predicted: Array, hosts: Collective = ALONE) -> float:
    """The mean recall of the classes that occur."""
    counts = _Counts(labels, predicted, hosts)
    recalls = counts.recall()[counts.actual > 0]
    return float(recalls.mean()) if len(recalls) else 0.0


def _positive(score: Callable[[_Counts], Array]) -> Metric:
    def metric(labels: Array, predicted: Array, hosts: Collective = ALONE) -> float:
        counts = _Counts(labels, predicted, hosts)
        return counts.positive(score(counts))

    return metric


def _macro(score: Callable[[_Counts], Array]) -> Metric:
    def metric(labels: Array, predicted: Array, hosts: Collective = ALONE) -> float:
        scores = score(_Counts(labels, predicted, hosts))
        return float(scores.mean()) if len(scores) else 0.0

    return metric


def mse(labels: Array, predictions: Array, hosts: Collective = ALONE) -> float:
    """Mean squared error."""
    return _mean((labels - predictions) ** 2, hosts)


def rmse(labels: Array, predictions: Array, hosts: Collective = ALONE) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(labels, predictions, hosts)))


def mae(labels: Array, predictions: Array, hosts: Collective = ALONE) -> float:
    """Mean absolute error."""
    return _mean(np.abs(labels - predictions), hosts)


def r2(labels: Array, predictions: Array, hosts: Collective = ALONE) -> float:
    """The share of the labels' variance that is explained."""
    residual = mse(labels, predictions, hosts)
    total = _mean((labels - _mean(labels, hosts)) ** 2, hosts)
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1.0 - residual / total


CLASS_METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": _macro(_Counts.f1),
    "f1_binary": _positive(_Counts.f1),
    "f1_macro": _macro(_Counts.f1),
    "precision": _positive(_Counts.precision),
    "precision_macro": _macro(_Counts.precision),
    "precision_micro": accuracy,
    "recall": _positive(_Counts.recall),
    "recall_macro": _macro(_Counts.recall),
    "recall_micro": accuracy,
}
VALUE_METRICS: dict[str, Metric] = {"mse": mse, "rmse": rmse, "mae": mae, "r2": r2}
CUSTOM_METRICS = frozenset(CLASS_METRICS) | frozenset(VALUE_METRICS)


def predicted_classes(margins: Array) -> Array:
    """The class of each row from margins of shape (rows,) or (rows, classes)."""
    if margins.ndim > 1:
        return np.asarray(margins.argmax(axis=1))
    return (margins > 0).astype(int)


class CustomMetrics:
    """The named metrics as a function xgboost calls after each round with margins.

    ``objective`` turns margins into the predictions that mse, rmse, mae and r2 are computed from;
    None computes them from the margins, as the images up to 1.7 do. ``hosts`` share the rows: the
    values are those of all rows, the same on every host.
    """

    def __init__(
        self, names: Sequence[str], objective: str | None, hosts: Collective = ALONE
    ) -> None:
        self.names = list(names)
        self.objective = objective
        self.hosts = hosts

    def __call__(self, margins: Array, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label().astype(np.float64)
        if not self.hosts.any(bool(margins.size)):
            return [(name, 0.0) for name in self.names]
        return [(name, self._value(name, margins, labels)) for name in self.names]

    def _value(self, name: str, margins: Array, labels: Array) -> float:
        if name in CLASS_METRICS:
            return CLASS_METRICS[name](labels, predicted_classes(margins), self.hosts)
        predictions = margins
        if self.objective in objectives.KNOWN and self.objective is not None:
            predictions = objectives.transform(self.objective, margins)
        if predictions.ndim > 1:
            raise ClientError(f"Metric '{name}' cannot be computed from class probabilities.")
        return VALUE_METRICS[name](labels, predictions.astype(np.float64), self.hosts)
