"""CatBoost with the hosted algorithm's hyperparameters: arrays in, classes or numbers out."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.catboost import artifact
from sagebrush.algorithms.catboost.boosting import BoostingPlan, boost, library_parameters, pool
from sagebrush.algorithms.catboost.hyperparameters import SCHEMA
from sagebrush.algorithms.tabular.csv_table import CodedColumn, Table, category_word
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, ProblemType
from sagebrush.algorithms.tabular.targets import Classes
from sagebrush.algorithms.threads import available_threads


class CatBoost:
    """Gradient boosted symmetric trees with early stopping on validation rows.

    ``hyperparameters`` are the algorithm's documented ones with their documented defaults, such as
    ``iterations=500`` or ``depth=6``; TypeError for any other name. ``threads`` is used where
    ``thread_count`` is -1 (default: all).

    After `fit`: ``model_``, the ``catboost.CatBoost``, cut after its best round; ``labels_``, the
    classes' labels in order, empty for regression.

    Source: L. Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", 2018.
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
            raise TypeError(f"CatBoost has no hyperparameter {', '.join(unknown)}")
        self.problem_type = problem_type
        self.threads = threads
        self.hyperparameters = hyperparameters
        self._values = known | hyperparameters
        self._model: Any = None

    def fit(
        self,
        X: Any,
        y: Any,
        validation: tuple[Any, Any] | None = None,
        categorical: Iterable[int] = (),
    ) -> Self:
        """Train on rows X (n, d) and targets y (n,); returns self.

        ``validation`` is such a pair, on which early stopping looks. ``categorical`` columns may
        hold anything that can be written as text. NaN is a missing value. Raises ClientError for a
        single class and for what CatBoost refuses.
        """
        target = np.asarray(y, np.float64)
        classes = Classes.among(target) if self.problem_type == CLASSIFICATION else None
        plan = BoostingPlan(
            library_parameters(self._values, classes, self.threads or available_threads()),
            self._values["early_stopping_rounds"],
        )
        columns = sorted(categorical)
        held_out = None
        if validation is not None:
            held_out = pool(_table(validation[0], columns), _labels(validation[1], classes))
        self._model = boost(plan, pool(_table(X, columns), _labels(y, classes)), held_out)
        return self

    @property
    def model_(self) -> Any:
        if self._model is None:
            raise ValueError("the model has not been fitted")
        return self._model

    @property
    def labels_(self) -> tuple[int, ...]:
        return artifact.labels_of(self.model_)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row's likeliest class, or its predicted number; shape (n,)."""
        if self.problem_type != CLASSIFICATION:
            return predicted_numbers(self.model_, self._pool(X))
        likeliest: NDArray[np.int64] = self.predict_proba(X).argmax(axis=1)
        return np.array(self.labels_).take(likeliest)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, (n, classes) in the order of ``labels_``."""
        return class_probabilities(self.model_, self._pool(X))

    def save(self, directory: Path) -> None:
        """Write the model's file into the directory."""
        artifact.save(self.model_, directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The model of the directory, ours or one trained at AWS."""
        stored = artifact.load(directory)
        model = cls(artifact.problem_type_of(stored))
        model._model = stored
        return model

    def _pool(self, X: Any) -> Any:
        return pool(_table(X, self.model_.get_cat_feature_indices()))


def predicted_numbers(model: Any, rows: Any, threads: int = -1) -> NDArray[np.float64]:
    """The predicted number of each row of a pool, (n,)."""
    return np.asarray(model.predict(rows, thread_count=threads), np.float64)


def class_probabilities(model: Any, rows: Any, threads: int = -1) -> NDArray[np.float64]:
    """The probability of each class for each row of a pool, (n, classes)."""
    found = model.predict(rows, prediction_type="Probability", thread_count=threads)
    return np.asarray(found, np.float64)


def _labels(y: Any, classes: Classes | None) -> NDArray[Any]:
    target = np.asarray(y, np.float64)
    return target if classes is None else target.astype(np.int64)


def _table(X: Any, categorical: Iterable[int]) -> Table:
    columns = list(categorical)
    if not columns:
        return Table(np.ascontiguousarray(X, np.float64))
    rows = np.asarray(X, object)
    numbers = np.full(rows.shape, np.nan)
    others = [index for index in range(rows.shape[1]) if index not in columns]
    numbers[:, others] = rows[:, others].astype(np.float64)
    return Table(numbers, None, {index: _coded(rows[:, index]) for index in columns})


def _coded(cells: NDArray[Any]) -> CodedColumn:
    words: dict[str, int] = {}
    codes = [words.setdefault(category_word(str(cell)), len(words)) for cell in cells]
    return CodedColumn(np.array(codes, np.int32), list(words))
