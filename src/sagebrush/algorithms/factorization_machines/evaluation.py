"""Figures of predictions, from sums that can be added up over mini-batches and hosts."""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.factorization_machines.kernel import STATISTICS

Doubles = NDArray[np.float64]
ROWS, LOSS, ABSOLUTE, TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = range(STATISTICS)


class Figure(NamedTuple):
    """One metric: its name and kind as log lines have them, and its value."""

    name: str
    value: float
    kind: Literal["loss", "score"]


def figures_of(sums: Doubles, is_binary: bool) -> tuple[Figure, ...]:
    """The documented metrics of the examples behind these sums (see `Trainer.train`)."""
    rows = max(float(sums[ROWS]), 1.0)
    loss = float(sums[LOSS]) / rows
    if not is_binary:
        return (
            Figure("rmse", math.sqrt(loss), "loss"),
            Figure("mse", loss, "loss"),
            Figure("absolute_loss", float(sums[ABSOLUTE]) / rows, "loss"),
        )
    hits, wrong = float(sums[TRUE_POSITIVE]), float(sums[FALSE_POSITIVE] + sums[FALSE_NEGATIVE])
    # Of examples without any positive, called or true, nothing is wrong and F is 0 as hosted.
    f_score = 2 * hits / (2 * hits + wrong) if hits else 0.0
    return (
        Figure("binary_classification_accuracy", 1.0 - wrong / rows, "score"),
        Figure("binary_classification_cross_entropy", loss, "loss"),
        Figure("binary_f_1.000", f_score, "score"),
    )


def sums_of(raw_scores: NDArray[np.float32], labels: NDArray[np.float32], binary: bool) -> Doubles:
    """The sums of predictions: raw scores (n,), for a classifier before the logistic function."""
    scores, truth = raw_scores.astype(np.float64), labels.astype(np.float64)
    sums = np.zeros(STATISTICS)
    sums[ROWS] = len(scores)
    if not binary:
        error = scores - truth
        sums[LOSS], sums[ABSOLUTE] = error @ error, np.abs(error).sum()
        return sums
    sums[LOSS] = (np.logaddexp(0.0, scores) - truth * scores).sum()
    called, positive = scores >= 0, truth >= 0.5
    sums[TRUE_POSITIVE] = (called & positive).sum()
    sums[FALSE_POSITIVE] = (called & ~positive).sum()
    sums[FALSE_NEGATIVE] = (~called & positive).sum()
    return sums
