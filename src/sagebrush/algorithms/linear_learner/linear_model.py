"""A trained linear model on raw rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.linear_learner.losses import sigmoid, softmax_probabilities
from sagebrush.algorithms.linear_learner.settings import Settings

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class LinearModel:
    """Weights (C, d) and bias (C,), float64; C is the number of classes of multiclass, else 1.

    ``threshold`` of a binary classifier is on the response's score: a probability for logistic
    loss, the margin for hinge loss.
    """

    weights: Doubles
    bias: Doubles
    threshold: float | None = None

    def raw_scores(self, features: Any) -> Doubles:
        """Scores (n, C) before any probability is taken, from raw rows (n, d), array or sparse."""
        return np.asarray(features @ self.weights.T, dtype=np.float64) + self.bias

    def row_score(self, row: NDArray[np.float32]) -> float:
        """The score of a raw row (d,) where C is 1: the same number as `raw_scores` of it alone."""
        weights, bias = self._only_output
        return float(weights.dot(row.astype(np.float64))) + bias

    @cached_property
    def _only_output(self) -> tuple[Doubles, float]:
        (weights,), (bias,) = self.weights, self.bias
        return np.ascontiguousarray(weights), float(bias)


def probabilities(scores: Doubles, settings: Settings) -> Doubles:
    """What a response calls the score: a probability for logistic and softmax, else as it is."""
    if settings.loss_name == "logistic":
        return np.asarray(sigmoid(scores))
    if settings.loss_name == "softmax_loss":
        return np.asarray(softmax_probabilities(scores))
    return scores


def probability(score: float, settings: Settings) -> float:
    """As `probabilities` for one score of a model that is not multiclass."""
    if settings.loss_name != "logistic":
        return score
    # numpy's exponential, not the standard library's: they differ in the last bit.
    return 1.0 / (1.0 + float(np.exp(-min(max(score, -87.0), 87.0))))
