"""Repeated k-fold cross validation, as the ``_kfold`` hyperparameter asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Values = NDArray[np.float32]


def folds(
    rows: int, fold_count: int, repeats: int, labels: Values | None, seed: int | None
) -> Iterator[tuple[Indices, Indices]]:
    """Training and held-out row numbers of each fold of each repeat.

    With labels every fold gets its share of every class. Rows are shuffled anew in each repeat.
    """
    generator = np.random.default_rng(seed)
    for _ in range(repeats):
        assigned = _assigned(rows, fold_count, labels, generator)
        for fold in range(fold_count):
            yield np.flatnonzero(assigned != fold), np.flatnonzero(assigned == fold)


def _assigned(
    rows: int, fold_count: int, labels: Values | None, generator: np.random.Generator
) -> Indices:
    order = generator.permutation(rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    assigned = np.empty(rows, np.int64)
    assigned[order] = np.arange(rows) % fold_count
    return assigned


class HeldOutPredictions:
    """Collects each row's predictions over the repeats and writes them as ``predictions.csv``."""

    def __init__(self, labels: Values, repeats: int, *, is_classification: bool) -> None:
        self.labels = labels
        self.is_classification = is_classification
        self.values = np.zeros((len(labels), repeats))
        self.scores = np.zeros((len(labels), repeats))
        self.recorded = np.zeros(len(labels), np.int64)

    def record(self, rows: Indices, predictions: Values, threshold: float) -> None:
        """Keep a fold's predictions of shape (rows,) or (rows, classes).

        ``threshold`` is where the second of two classes begins; infinite when the predictions are
        class numbers already.
        """
        repeat = self.recorded[rows]
        classes: NDArray[Any] = predictions
        scores: NDArray[Any] = predictions
        if predictions.ndim > 1:
            classes, scores = predictions.argmax(axis=1), predictions.max(axis=1)
        elif self.is_classification and np.isfinite(threshold):
            classes = predictions > threshold
        self.values[rows, repeat] = classes
        self.scores[rows, repeat] = scores
        self.recorded[rows] += 1

    def save(self, folder: Path) -> Path:
        """Write label, mean score and most frequent class (or label and mean) of each row."""
        columns = [self.labels, self.scores.mean(axis=1)]
        if self.is_classification:
            columns.append(_most_frequent(self.values))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "predictions.csv"
        np.savetxt(path, np.column_stack(columns), delimiter=",", fmt="%f")
        return path


def _most_frequent(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The commonest value of each row, the smallest of several."""
    candidates = np.unique(values)
    counts = np.stack([(values == candidate).sum(axis=1) for candidate in candidates])
    return np.asarray(candidates[counts.argmax(axis=0)])
