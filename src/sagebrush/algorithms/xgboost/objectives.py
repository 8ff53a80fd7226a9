"""What xgboost does to a margin to make it a prediction, with the same float32 results.

A margin is the sum of the leaves a row falls into plus the intercept. xgboost works in single
precision with the C library's ``expf``; numpy's own float32 ``exp`` differs from it in the last
place, so the C library is asked directly.
"""

import ctypes
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.xgboost.kernel import sigmoid

Floats = NDArray[np.float32]

# Named outright: looking them up starts processes.
_MATHEMATICS_LIBRARIES = ("libm.so.6", "libSystem.B.dylib", "ucrtbase.dll", "libc.so")

_ONE = np.float32(1.0)

LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
EXPONENTIAL = frozenset(
    {"count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"}
)
IDENTITY = frozenset(
    {
        "binary:logitraw",
        "rank:map",
        "rank:ndcg",
        "rank:pairwise",
        "reg:absoluteerror",
        "reg:linear",
        "reg:pseudohubererror",
        "reg:squarederror",
        "reg:squaredlogerror",
    }
)
MULTICLASS = frozenset({"multi:softmax", "multi:softprob"})
KNOWN = LOGISTIC | EXPONENTIAL | IDENTITY | MULTICLASS | {"binary:hinge"}


def _libm_function(name: str, fallback: Callable[[float], float]) -> Callable[[float], float]:
    for library in _MATHEMATICS_LIBRARIES:
        try:
            function = getattr(ctypes.CDLL(library), name)
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_float
        function.argtypes = (ctypes.c_float,)
        return function  # type: ignore[no-any-return]
    return fallback


_expf = _libm_function("expf", math.exp)
_logf = _libm_function("logf", math.log)


def exponential(values: Floats) -> Floats:
    """e**x of each float32 value, rounded as the C library rounds it."""
    flat = [_expf(value) for value in values.ravel().tolist()]
    return np.array(flat, np.float32).reshape(values.shape)


def softmax(margins: Floats) -> Floats:
    """Probabilities of shape (rows, classes) from margins of the same shape."""
    raised = exponential(margins - margins.max(axis=1, keepdims=True))
    totals = np.add.accumulate(raised, axis=1, dtype=np.float64)[:, -1:]
    return np.asarray(raised / totals.astype(np.float32), np.float32)


def transform(objective: str, margins: Floats) -> Floats:
    """Predictions from margins of shape (rows,), or (rows, classes) for ``multi:`` objectives.

    ``multi:softmax`` gives the class index of shape (rows,); every other objective keeps the
    shape. KeyError for an objective outside `KNOWN`.
    """
    if objective in LOGISTIC:
        return sigmoid(margins)
    if objective in IDENTITY:
        return margins
    if objective in EXPONENTIAL:
        return exponential(margins)
    if objective == "multi:softprob":
        return softmax(margins)
    if objective == "multi:softmax":
        return np.asarray(margins.argmax(axis=1), np.float32)
    if objective == "binary:hinge":
        return (margins > 0).astype(np.float32)
    raise KeyError(objective)


def intercept_margin(objective: str, base_score: float) -> np.float32:
    """The margin of a ``base_score``, which models store as a prediction."""
    score = np.float32(base_score)
    if objective in LOGISTIC:
        return np.float32(-_logf(float(_ONE / score - _ONE)))
    if objective in EXPONENTIAL:
        return np.float32(_logf(float(score)))
    return score
