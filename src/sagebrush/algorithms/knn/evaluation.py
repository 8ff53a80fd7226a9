"""How well predicted labels fit the labels of the test channel, over all hosts."""

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class ClassifierScores:
    """Counts, for each class, rows that have it, rows predicted to have it and both."""

    def __init__(self) -> None:
        self._tables: list[Doubles] = []

    def add(self, truth: Floats, predicted: Floats) -> None:
        """Count rows by their true and predicted labels, both (rows,)."""
        self._tables.append(_table(truth, predicted))
        if len(self._tables) > 64:
            self._tables = [_summed(np.concatenate(self._tables))]

    def result(self, collective: Collective) -> dict[str, float]:
        """Accuracy and macro-averaged F1 over all hosts, NaN without any row."""
        tables = np.concatenate(self._tables or [np.zeros((0, 4))])
        table = _summed(collective.concatenate(tables))
        true, predicted, hit = table[:, 1], table[:, 2], table[:, 3]
        rows = true.sum()
        if not rows:
            return {"accuracy": float("nan"), "macro_f_1.000": float("nan")}
        return {
            "accuracy": float(hit.sum() / rows),
            "macro_f_1.000": float(np.mean(2 * hit / (true + predicted))),
        }


def _table(truth: Floats, predicted: Floats) -> Doubles:
    """Rows of label, true count, predicted count and hits."""
    classes, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    true, guess = codes[: truth.size], codes[truth.size :]
    size = classes.size
    return np.column_stack(
        [
            classes.astype(np.float64),
            np.bincount(true, minlength=size),
            np.bincount(guess, minlength=size),
            np.bincount(true[true == guess], minlength=size),
        ]
    )


def _summed(table: Doubles) -> Doubles:
    """One row for each label."""
    classes, codes = np.unique(table[:, 0], return_inverse=True)
    sums = [np.bincount(codes, column, minlength=classes.size) for column in table[:, 1:].T]
    return np.column_stack([classes, *sums])


class RegressorScores:
    """Adds up squared errors."""

    def __init__(self) -> None:
        self._totals = np.zeros(2)

    def add(self, truth: Floats, predicted: Floats) -> None:
        """Take in true and predicted labels, both (rows,)."""
        error = truth.astype(np.float64) - predicted
        self._totals += np.array([truth.size, error @ error])

    def result(self, collective: Collective) -> dict[str, float]:
        """The mean squared error over all hosts, NaN without any row."""
        rows, square = collective.sum(self._totals)
        return {"mse": float(square / rows) if rows else float("nan")}
