"""The losses of Linear Learner and their gradients by the score.

Notation: n rows, M models, C classes; s scores of shape (n, M), for softmax (n, M, C); y labels of
shape (n,): 0 or 1, a class number, or a real number. Each loss returns the losses (n, M) and their
gradient by s in the shape of s.

    logistic                       log(1 + exp(s)) - y s
    hinge_loss                     max(0, margin - t s)                      t = 2 y - 1
    softmax_loss                   log sum_c exp(s_c) - s_y
    squared_loss                   (s - y)^2
    absolute_loss                  |s - y|
    quantile_loss                  max(q (y - s), (q - 1) (y - s))           pinball loss
    huber_loss                     r^2 / 2 if |r| <= delta else delta (|r| - delta / 2),  r = s - y
    eps_insensitive_squared_loss   max(0, |s - y| - eps)^2
    eps_insensitive_absolute_loss  max(0, |s - y| - eps)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.linear_learner.settings import Settings

Floats = NDArray[np.floating[Any]]
LossFunction = Callable[[Floats, NDArray[Any]], tuple[Floats, Floats]]

# The names under which the losses appear in the log.
OBJECTIVE_NAMES = {
    "logistic": "binary_classification_cross_entropy_objective",
    "hinge_loss": "hinge_loss_objective",
    "softmax_loss": "multiclass_cross_entropy_objective",
    "squared_loss": "mse_objective",
    "absolute_loss": "absolute_loss_objective",
    "quantile_loss": "quantile_loss_objective",
    "huber_loss": "huber_loss_objective",
    "eps_insensitive_squared_loss": "eps_insensitive_squared_loss_objective",
    "eps_insensitive_absolute_loss": "eps_insensitive_absolute_loss_objective",
}


def loss_function(settings: Settings) -> LossFunction:
    """The loss that the settings name, with their margin, quantile, delta or insensitivity."""
    margin, quantile = np.float32(settings.margin), np.float32(settings.quantile)
    delta, epsilon = np.float32(settings.huber_delta), np.float32(settings.loss_insensitivity)
    functions: dict[str, LossFunction] = {
        "logistic": logistic,
        "hinge_loss": lambda scores, labels: hinge(scores, labels, margin),
        "softmax_loss": softmax,
        "squared_loss": squared,
        "absolute_loss": absolute,
        "quantile_loss": lambda scores, labels: pinball(scores, labels, quantile),
        "huber_loss": lambda scores, labels: huber(scores, labels, delta),
        "eps_insensitive_squared_loss": lambda scores, labels: insensitive_squared(
            scores, labels, epsilon
        ),
        "eps_insensitive_absolute_loss": lambda scores, labels: insensitive_absolute(
            scores, labels, epsilon
        ),
    }
    return functions[settings.loss_name]


def sigmoid(scores: Floats) -> Floats:
    """1 / (1 + exp(-s)) without overflow: exp(-88) is the smallest normal float32."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scores, -87.0, 87.0))), dtype=scores.dtype)


def softmax_probabilities(scores: Floats) -> Floats:
    """exp(s_c) / sum exp(s) over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return np.asarray(exponentials)


def logistic(scores: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Cross entropy of two classes."""
    y = labels[:, None]
    decay = np.exp(-np.abs(scores))
    losses = np.log1p(decay)
    losses += np.maximum(scores, 0)
    losses -= y * scores
    gradient = np.where(scores >= 0, np.float32(1), decay)
    gradient /= 1 + decay
    gradient -= y
    return losses, gradient


def hinge(scores: Floats, labels: NDArray[Any], margin: np.float32) -> tuple[Floats, Floats]:
    """Hinge loss with the given margin."""
    signs = (2 * labels - 1).astype(scores.dtype)[:, None]
    losses = margin - signs * scores
    active = losses > 0
    return np.where(active, losses, 0), np.where(active, -signs, 0)


def softmax(scores: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Cross entropy of several classes."""
    probabilities = softmax_probabilities(scores)
    rows, classes = np.arange(labels.shape[0]), labels.astype(np.int64)
    chosen = probabilities[rows, :, classes]
    losses = -np.log(np.maximum(chosen, np.float32(1e-30)))
    probabilities[rows, :, classes] = chosen - 1
    return losses, probabilities


def squared(scores: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Squared error."""
    residuals = scores - labels[:, None]
    return residuals * residuals, 2 * residuals


def absolute(scores: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Absolute error."""
    residuals = scores - labels[:, None]
    return np.abs(residuals), np.sign(residuals)


def pinball(scores: Floats, labels: NDArray[Any], quantile: np.float32) -> tuple[Floats, Floats]:
    """Pinball loss, least at the conditional quantile."""
    residuals = labels[:, None] - scores
    slope = np.where(residuals > 0, quantile, quantile - 1)
    return slope * residuals, -slope


def huber(scores: Floats, labels: NDArray[Any], delta: np.float32) -> tuple[Floats, Floats]:
    """Huber's loss."""
    residuals = scores - labels[:, None]
    clipped = np.clip(residuals, -delta, delta)
    return clipped * (residuals - clipped / 2), clipped


def insensitive_squared(
    scores: Floats, labels: NDArray[Any], epsilon: np.float32
) -> tuple[Floats, Floats]:
    """Squared error beyond a tube."""
    residuals = scores - labels[:, None]
    beyond = residuals - np.clip(residuals, -epsilon, epsilon)
    return beyond * beyond, 2 * beyond


def insensitive_absolute(
    scores: Floats, labels: NDArray[Any], epsilon: np.float32
) -> tuple[Floats, Floats]:
    """Absolute error beyond a tube."""
    residuals = scores - labels[:, None]
    beyond = residuals - np.clip(residuals, -epsilon, epsilon)
    return np.abs(beyond), np.sign(beyond)
