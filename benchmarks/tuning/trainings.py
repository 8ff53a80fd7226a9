"""Real trainings that are tuned: XGBoost and Linear Learner on scikit-learn's data sets.

Every configuration is trained on the same rows and judged by the loss on the same held-out rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from benchmarks.tuning.problems import REAL, Problem
from sagebrush.tuning.spaces import Categorical, Configuration, Continuous, Integer, Space

_ROUNDS = 40
_EPOCHS = 5
_EVALUATIONS = 50
_DIVERGED = 12.0

TREES = Space(
    (
        Continuous("eta", 1e-3, 1.0, "Logarithmic"),
        Integer("max_depth", 1, 10),
        Continuous("min_child_weight", 0.1, 100.0, "Logarithmic"),
        Continuous("subsample", 0.3, 1.0),
        Continuous("colsample_bytree", 0.3, 1.0),
        Continuous("lambda", 1e-3, 100.0, "Logarithmic"),
        Continuous("alpha", 1e-3, 10.0, "Logarithmic"),
    )
)
LINEAR = Space(
    (
        Continuous("learning_rate", 1e-4, 1.0, "Logarithmic"),
        Continuous("wd", 1e-6, 1.0, "Logarithmic"),
        Continuous("l1", 1e-6, 1.0, "Logarithmic"),
        Integer("mini_batch_size", 8, 256, "Logarithmic"),
        Categorical("optimizer", ("sgd", "adam", "rmsprop")),
    )
)


@lru_cache(maxsize=8)
def split(loader: str) -> tuple[Any, Any, Any, Any]:
    """Return training rows and labels, and a held-out third, always the same."""
    from sklearn import datasets

    found = getattr(datasets, loader)()
    order = np.random.default_rng(7).permutation(len(found.target))
    X, y = found.data[order].astype(np.float32), found.target[order].astype(np.float32)
    cut = 2 * len(y) // 3
    return X[:cut], y[:cut], X[cut:], y[cut:]


def boosted(
    loader: str, objective: dict[str, Any], configuration: Configuration, rounds: int = _ROUNDS
) -> list[float]:
    """Return the held-out loss after each round of boosting."""
    import xgboost

    X, y, held_out, truth = split(loader)
    curve: dict[str, Any] = {}
    xgboost.train(
        {**objective, **configuration, "nthread": 1, "seed": 0, "max_bin": 64, "verbosity": 0},
        xgboost.DMatrix(X, y),
        rounds,
        evals=[(xgboost.DMatrix(held_out, truth), "held_out")],
        evals_result=curve,
        verbose_eval=False,
    )
    (losses,) = curve["held_out"].values()
    return [float(loss) for loss in losses]


def _last_loss(loader: str, objective: dict[str, Any], configuration: Configuration) -> float:
    return boosted(loader, objective, configuration)[-1]


def _linear_loss(loader: str, predictor: dict[str, Any], configuration: Configuration) -> float:
    """Return Linear Learner's held-out loss; for squares the logarithm of their mean.

    A training that diverges counts as one that learnt nothing.
    """
    from sagebrush.algorithms.errors import ClientError
    from sagebrush.algorithms.linear_learner.model import LinearLearner

    X, y, held_out, truth = split(loader)
    settings: dict[str, Any] = {**predictor, **configuration}
    learner = LinearLearner(epochs=_EPOCHS, num_models=1, **settings)
    try:
        scores = learner.fit(X, y).scores(held_out)
    except ClientError:
        return _DIVERGED
    if predictor["predictor_type"] == "regressor":
        return float(np.log(((scores - truth) ** 2).mean()))
    share = scores if scores.ndim == 2 else np.column_stack([1 - scores, scores])
    chosen = share[np.arange(len(truth)), truth.astype(int)]
    return float(-np.log(np.clip(chosen, 1e-7, 1.0)).mean())


BINARY = {"objective": "binary:logistic", "eval_metric": "logloss"}
_CLASSES = {"objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss"}
_SQUARES = {"objective": "reg:squarederror", "eval_metric": "rmse"}


def _problem(name: str, space: Space, loss: Callable[[Configuration], float]) -> Problem:
    return Problem(name, REAL, space, loss, None, evaluations=_EVALUATIONS)


TRAININGS: tuple[Problem, ...] = (
    _problem("XGBoost breast cancer", TREES, partial(_last_loss, "load_breast_cancer", BINARY)),
    _problem("XGBoost diabetes", TREES, partial(_last_loss, "load_diabetes", _SQUARES)),
    _problem("XGBoost wine", TREES, partial(_last_loss, "load_wine", _CLASSES)),
    _problem(
        "Linear Learner breast cancer",
        LINEAR,
        partial(_linear_loss, "load_breast_cancer", {"predictor_type": "binary_classifier"}),
    ),
    _problem(
        "Linear Learner diabetes",
        LINEAR,
        partial(_linear_loss, "load_diabetes", {"predictor_type": "regressor"}),
    ),
    _problem(
        "Linear Learner digits",
        LINEAR,
        partial(
            _linear_loss,
            "load_digits",
            {"predictor_type": "multiclass_classifier", "num_classes": 10},
        ),
    ),
)
