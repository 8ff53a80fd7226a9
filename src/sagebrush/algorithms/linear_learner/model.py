"""Linear Learner as an estimator: many linear models trained at once, the best one kept.

It minimises, for each candidate (its own learning rate, wd, l1, schedule) on the same mini-batches,

    mean_i  w_i loss(x_i' theta + b, y_i)  +  wd / 2 |theta|^2  +  l1 |theta|_1

over rows scaled to mean 0 and deviation 1, judges all candidates on validation data after each
epoch and keeps the best; a binary classifier's threshold is then set for the selection criterion.

Reference: E. Liberty et al., "Elastic machine learning algorithms in Amazon SageMaker", SIGMOD
2020. The modules beside this one hold the parts: `losses`, `optimizers`, `scaler`, `grid`,
`kernel`, `thresholds`, `evaluation`, `fitting`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.blas_threads import single_threaded_blas
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.artifact import read_model, write_model
from sagebrush.algorithms.linear_learner.data_checks import checked
from sagebrush.algorithms.linear_learner.fitting import Fitting, Observer
from sagebrush.algorithms.linear_learner.linear_model import LinearModel, probabilities
from sagebrush.algorithms.linear_learner.settings import BINARY, MULTICLASS, Settings
from sagebrush.algorithms.replay import Pass
from sagebrush.algorithms.training_state import State

Doubles = NDArray[np.float64]


class LinearLearner:
    """Linear classifiers and regression.

    Hyperparameters are keyword arguments with the documented names; see `Settings`. ``seed`` makes
    a run repeatable.

    After `fit`: ``model_`` (weights (C, d), bias (C,), threshold), ``candidate_`` the winning
    hyperparameters, ``metrics_`` on ``metrics_part_`` of the data, ``epochs_`` how many were run.

    >>> learner = LinearLearner(predictor_type="regressor", mini_batch_size=2)
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> learner.fit(X, [1.0, 3.0, 5.0, 7.0]).predict([[1.5]]).shape
    (1,)
    """

    def __init__(
        self,
        predictor_type: str = BINARY,
        *,
        seed: int = 0,
        collective: Collective | None = None,
        **hyperparameters: Any,
    ) -> None:
        self.settings = Settings(predictor_type=predictor_type, **hyperparameters)
        self.seed = seed
        self.collective = collective
        self.model_: LinearModel | None = None

    def fit(self, X: Any, y: Any, validation: tuple[Any, Any] | None = None) -> Self:
        """Train on rows X (n, d), array or scipy sparse, and labels y (n,); returns self.

        ``validation`` is an (X, y) pair to choose the model on; without it a sample of the training
        rows serves. Raises ClientError for data that breaks a rule, such as a label out of range.
        """
        held_out = None if validation is None else self._pass(*validation)
        return self.fit_passes(self._pass(X, y), held_out)

    def fit_passes(
        self,
        train: Pass,
        validation: Pass | None = None,
        *,
        observer: Observer | None = None,
        tuning: bool = False,
        stop_requested: Callable[[], bool] = lambda: False,
        resume: State | None = None,
        checkpoint: Callable[[State], None] | None = None,
    ) -> Self:
        """Train on data that streams by in mini-batches, at constant memory; returns self.

        The arguments are those of `Fitting`.
        """
        settings = self.settings
        fitting = Fitting(
            settings,
            checked(train, settings, "train"),
            None if validation is None else checked(validation, settings, "validation"),
            seed=self.seed,
            collective=self.collective or Collective(),
            observer=observer or Observer(),
            tuning=tuning,
            stop_requested=stop_requested,
            resume=resume,
            checkpoint=checkpoint,
        )
        with single_threaded_blas():
            fitted = fitting.run()
        self.model_ = fitted.model
        self.candidate_ = fitted.candidate
        self.metrics_ = fitted.metrics
        self.metrics_part_ = fitted.part
        self.epochs_ = fitted.epochs
        return self

    def _pass(self, X: Any, y: Any) -> Pass:
        features = (
            X.tocsr().astype(np.float32)
            if sparse.issparse(X)
            else np.ascontiguousarray(X, dtype=np.float32)
        )
        labels = np.asarray(y, dtype=np.float32)
        if features.ndim != 2 or labels.shape != (features.shape[0],):
            raise ValueError(f"rows {features.shape} and labels {labels.shape} do not match")
        step = self.settings.mini_batch_size

        def batches() -> Iterator[Batch]:
            for first in range(0, labels.shape[0], step):
                yield Batch(features[first : first + step], labels[first : first + step])

        return batches

    def scores(self, X: Any) -> Doubles:
        """The response's scores: (n,) probabilities, margins or values, (n, C) for multiclass.

        Raises ValueError when X (n, d), array or sparse, has not the model's number of features.
        """
        model = self.model()
        if not sparse.issparse(X):
            X = np.asarray(X, dtype=np.float32)
        if X.ndim != 2 or X.shape[1] != model.weights.shape[1]:
            raise ValueError(f"expected {model.weights.shape[1]} features, got shape {X.shape}")
        scores = probabilities(model.raw_scores(X), self.settings)
        return scores if self.settings.predictor_type == MULTICLASS else scores[:, 0]

    def labels_of(self, scores: Doubles) -> NDArray[np.int64]:
        """The predicted classes that belong to scores of a classifier, shape (n,)."""
        if self.settings.predictor_type == MULTICLASS:
            return np.asarray(scores.argmax(axis=1))
        threshold = self.model().threshold
        return (scores >= (0.5 if threshold is None else threshold)).astype(np.int64)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predicted classes (n,), for a regressor the values (n,)."""
        scores = self.scores(X)
        return scores if self.settings.is_regression else self.labels_of(scores)

    def save(self, directory: Path) -> None:
        """Write ``model_algo-1`` into the directory, an archive in AWS's layout."""
        write_model(directory / "model_algo-1", self.model(), self.settings)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A model for prediction from the artefact in the directory, ours or AWS's."""
        model, settings = read_model(directory)
        learner = cls(settings.predictor_type)
        learner.settings, learner.model_ = settings, model
        return learner

    def model(self) -> LinearModel:
        """The trained model; ValueError before training."""
        if self.model_ is None:
            raise ValueError("the model has not been fitted")
        return self.model_
