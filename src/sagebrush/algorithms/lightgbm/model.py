"""LightGBM with the hosted algorithm's hyperparameters: arrays in, classes or numbers out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.lightgbm import artifact
from sagebrush.algorithms.lightgbm.artifact import StoredModel
from sagebrush.algorithms.lightgbm.boosting import BoostingPlan, Rows, boost, library_parameters
from sagebrush.algorithms.lightgbm.hyperparameters import SCHEMA
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, ProblemType
from sagebrush.algorithms.tabular.targets import Classes
from sagebrush.algorithms.threads import available_threads

SERIAL_ROWS = 512
"""Rows up to which a prediction is not worth sharing among threads."""


class LightGBM:
    """Gradient boosted trees grown leaf by leaf, with early stopping on validation rows.

    ``hyperparameters`` are the algorithm's documented ones with their documented defaults, such as
    ``num_boost_round=100`` or ``learning_rate=0.1``; TypeError for any other name. ``threads`` is
    used where ``num_threads`` is 0 (default: all).

    After `fit`: ``booster_``, the ``lightgbm.Booster``, which predicts with its best round;
    ``labels_``, the classes' labels in order, empty for regression.

    Source: G. Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", 2017.
    """

    def __init__(
        self,
        problem_type: ProblemType = CLASSIFICATION,
        *,
        threads: int | None = None,
        **hyperparameters: Any,
    ) -> None:
        known = {field.name: field.default for field in SCHEMA.fields if not field.hidden}
        unknown = sorted(set(hyperparameters) - set(known))
        if unknown:
            raise TypeError(f"LightGBM has no hyperparameter {', '.join(unknown)}")
        self.problem_type = problem_type
        self.threads = threads
        self.hyperparameters = {"verbosity": -1, **hyperparameters}
        self._values = known | self.hyperparameters
        self._stored: StoredModel | None = None

    def fit(
        self,
        X: Any,
        y: Any,
        validation: tuple[Any, Any] | None = None,
        categorical: Iterable[int] = (),
    ) -> Self:
        """Train on rows X (n, d) and targets y (n,); returns self.

        ``validation`` is such a pair, on which early stopping looks. ``categorical`` columns hold
        whole numbers of 0 and more. NaN is a missing value. Raises ClientError for a single class
        and for what LightGBM refuses.
        """
        target = np.asarray(y, np.float64)
        classes = Classes.among(target) if self.problem_type == CLASSIFICATION else None
        threads = self.threads or available_threads()
        plan = BoostingPlan(
            library_parameters(self._values, classes, threads),
            self._values["num_boost_round"],
            self._values["early_stopping_rounds"],
            tuple(categorical),
        )
        held_out = None if validation is None else _rows(*validation, classes, "validation")
        booster = boost(plan, _rows(X, target, classes, "training"), held_out)
        labels = () if classes is None else classes.labels
        self._stored = StoredModel(booster, self.problem_type, labels, plan.categorical)
        return self

    @property
    def booster_(self) -> Any:
        return self._fitted().booster

    @property
    def labels_(self) -> tuple[int, ...]:
        return self._fitted().labels

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row's likeliest class, or its predicted number; shape (n,)."""
        if self.problem_type != CLASSIFICATION:
            return raw_predictions(self._fitted(), X, self.threads)
        likeliest: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return np.array(self.labels_).take(likeliest)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, (n, classes) in the order of ``labels_``."""
        return class_probabilities(raw_predictions(self._fitted(), X, self.threads))

    def save(self, directory: Path) -> None:
        """Write the model's files into the directory."""
        artifact.save(self._fitted(), directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The model of the directory, ours or one trained at AWS."""
        stored = artifact.load(directory)
        model = cls(stored.problem_type)
        model._stored = stored
        return model

    def _fitted(self) -> StoredModel:
        if self._stored is None:
            raise ValueError("the model has not been fitted")
        return self._stored


def raw_predictions(stored: StoredModel, X: Any, threads: int | None = None) -> NDArray[np.float64]:
    """LightGBM's own predictions: (n,), or (n, classes) where there are more than two classes."""
    count = 1 if len(X) <= SERIAL_ROWS else threads or available_threads()
    found: NDArray[np.float64] = stored.booster.predict(X, num_threads=count)
    return found


def class_probabilities(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n, classes) from LightGBM's own, which tell of two classes the second's."""
    return raw if raw.ndim == 2 else np.column_stack([1.0 - raw, raw])


def _rows(X: Any, y: Any, classes: Classes | None, part: str) -> Rows:
    features = np.ascontiguousarray(X, np.float64)
    target = np.asarray(y, np.float64)
    return Rows(features, target if classes is None else classes.indices(target, part))
