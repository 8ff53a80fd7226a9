"""Factorization machines: linear models with all pairs of features, at linear cost.

Notation: x a row of d features; w0 the bias, w (d,) the linear weights, V (d, k) the factors.

    score(x) = w0 + <w, x> + sum over i < j of <V_i, V_j> x_i x_j
             = w0 + <w, x> + sum over f of ((sum_i V_if x_i)^2 - sum_i V_if^2 x_i^2) / 2

A regressor minimises the squared error of the score, a binary classifier the cross entropy of its
logistic function. Every mini-batch is one step of Adam, taken only by the features that occur in
it (lazily), with learning rate and weight decay of their own for bias, linear weights and factors.
One example costs O(entries k).

References: S. Rendle, "Factorization machines", ICDM 2010; D. Kingma and J. Ba, "Adam: a method for
stochastic optimization", ICLR 2015.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines.artifact import read_model, write_model
from sagebrush.algorithms.factorization_machines.data_checks import find_flaw
from sagebrush.algorithms.factorization_machines.fitting import Fitting, Observer
from sagebrush.algorithms.factorization_machines.machine import Machine, as_rows
from sagebrush.algorithms.factorization_machines.settings import PredictorType, Settings
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.replay import Pass

Floats = NDArray[np.float32]

CALL_ROWS = 1 << 14


class FactorizationMachine:
    """A regressor or binary classifier of sparse rows.

    Parameters are the algorithm's documented hyperparameters with their documented defaults, which
    learn slowly: see the README for better ones. ``feature_dim`` is taken from the data where it is
    not given. ``seed`` makes a run repeatable; ``threads`` share the work of a mini-batch and do
    not change the result.

    After `fit`: ``machine_``, ``epochs_`` the epochs done.
    """

    def __init__(
        self,
        num_factors: int = 64,
        predictor_type: PredictorType = "regressor",
        *,
        feature_dim: int | None = None,
        seed: int = 0,
        threads: int = 1,
        collective: Collective | None = None,
        **hyperparameters: Any,
    ) -> None:
        self.num_factors = num_factors
        self.predictor_type: PredictorType = predictor_type
        self.feature_dim = feature_dim
        self.seed = seed
        self.threads = threads
        self.collective = collective
        self.hyperparameters = hyperparameters
        self.machine_: Machine | None = None
        self._settings: Settings | None = None
        self.settings(feature_dim or 1)

    def settings(self, feature_dim: int) -> Settings:
        """All hyperparameters, for rows so wide; TypeError for a name there is none of."""
        return Settings(
            feature_dim=feature_dim,
            num_factors=self.num_factors,
            predictor_type=self.predictor_type,
            **self.hyperparameters,
        )

    def fit(self, X: Any, y: Any) -> Self:
        """Train on rows X (n, d), array or scipy sparse, and labels y (n,); returns self.

        Rows are taken in a random order. Raises ClientError for data that breaks a rule, such as a
        label that is neither 0 nor 1.
        """
        rows = as_rows(X, self.feature_dim)
        labels = np.asarray(y, dtype=np.float32)
        if labels.shape != (rows.shape[0],):
            raise ValueError(f"rows {rows.shape} and labels {labels.shape} do not match")
        settings = self.settings(rows.shape[1])
        flaw = find_flaw(Batch(rows, labels), settings.is_binary)
        if flaw is not None:
            raise ClientError(f"Row {flaw.row} {flaw.text}")
        rng = np.random.default_rng(self.seed)
        step = settings.mini_batch_size * max(1, CALL_ROWS // settings.mini_batch_size)

        def batches() -> Iterator[Batch]:
            order = rng.permutation(rows.shape[0])
            for first in range(0, len(order), step):
                chosen = order[first : first + step]
                yield Batch(rows[chosen], labels[chosen])

        return self.fit_passes(batches, rows.shape[1])

    def fit_passes(
        self,
        train: Pass,
        feature_dim: int,
        *,
        observer: Observer | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Self:
        """Train on data that streams by in batches of a multiple of ``mini_batch_size`` rows.

        Memory is that of the features which occur, three numbers for each parameter, and of up to
        256 MiB of rows. Returns self.
        """
        settings = self.settings(feature_dim)
        fitting = Fitting(
            settings,
            train,
            seed=self.seed,
            threads=self.threads,
            collective=self.collective or Collective(),
            observer=observer or Observer(),
            stop_requested=stop_requested,
        )
        self.machine_ = fitting.run()
        self.epochs_ = fitting.epochs_ended
        self._settings = settings
        return self

    def scores(self, X: Any) -> Floats:
        """The response's scores (n,): probabilities of label 1, or a regressor's values.

        Raises ValueError when X (n, d), array or sparse, has not the model's number of features.
        """
        machine = self.machine()
        raw = machine.raw_scores(X)
        return probabilities(raw) if machine.is_binary else raw

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels 0 and 1 (n,) int64, of a regressor the values (n,)."""
        scores = self.scores(X)
        return labels_of(scores) if self.machine().is_binary else scores

    @property
    def v(self) -> Floats:
        """The factors, also called embeddings, of all features, shape (d, k)."""
        return self.machine().all_factors()

    @property
    def w(self) -> Floats:
        """The linear weights of all features, shape (d,)."""
        return self.machine().all_linear()

    @property
    def w0(self) -> float:
        """The bias."""
        return self.machine().bias

    def save(self, directory: Path) -> None:
        """Write ``model_algo-1`` into the directory, an archive in AWS's layout."""
        machine = self.machine()
        assert self._settings is not None
        write_model(directory / "model_algo-1", machine, self._settings)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """A model for prediction from the artefact in the directory, ours or AWS's."""
        machine, settings = read_model(directory)
        model = cls(settings.num_factors, settings.predictor_type, feature_dim=settings.feature_dim)
        model.machine_, model._settings = machine, settings
        return model

    def machine(self) -> Machine:
        """The trained machine; ValueError before training."""
        if self.machine_ is None:
            raise ValueError("the model has not been fitted")
        return self.machine_


def probabilities(raw_scores: Floats) -> Floats:
    """The logistic function, precise to float32 however small the result."""
    return np.asarray(special.expit(raw_scores.astype(np.float64)), np.float32)


def labels_of(scores: Floats) -> NDArray[np.int64]:
    """Label 1 from a probability of 0.5 on, as documented."""
    return (scores >= 0.5).astype(np.int64)
