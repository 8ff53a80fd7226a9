"""Factorization Machines beside myFM's Gibbs sampler (libFM's MCMC) and scikit-learn's models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import (
    PEERS,
    THREADS,
    Contender,
    Faster,
    Fit,
    NoWorse,
    Quality,
    Reaches,
    Task,
)

_USERS, _ITEMS, _FACTORS, _NOISE, _EPOCHS = 2000, 1000, 8, 0.3, 20
_RMSE = Quality("RMSE", higher_is_better=False)
_ACCURACY = Quality("accuracy", higher_is_better=True)


@dataclass(frozen=True)
class Rows:
    """Training rows, sparse or dense, with labels, and rows held out."""

    X: Any
    y: Any
    held_out: Any
    truth: Any


def _ratings(rows: int, seed: int) -> Rows:
    """Return ratings of one-hot users and items by 8 factors each, with noise of deviation 0.3."""
    random = np.random.default_rng([11, seed])
    factors = (0.5 * random.standard_normal((_USERS + _ITEMS, _FACTORS))).astype("float32")
    linear = (0.3 * random.standard_normal(_USERS + _ITEMS)).astype("float32")

    def drawn(count: int) -> tuple[Any, Any]:
        users = random.integers(_USERS, size=count, dtype="int32")
        items = _USERS + random.integers(_ITEMS, size=count, dtype="int32")
        score = 3.5 + linear[users] + linear[items]
        for factor in factors.T:
            score += factor[users] * factor[items]
        score += _NOISE * random.standard_normal(count, dtype="float32")
        return _one_hot(users, items), score.astype("float32")

    return Rows(*drawn(rows), *drawn(40_000))


def _one_hot(users: Any, items: Any) -> Any:
    from scipy import sparse

    columns = np.stack([users, items], axis=1).ravel()
    ends = np.arange(0, len(columns) + 1, 2, dtype="int32")
    ones = np.ones(len(columns), "float32")
    return sparse.csr_matrix((ones, columns, ends), (len(users), _USERS + _ITEMS))


def _digits(rows: int, seed: int) -> Rows:
    """Return scikit-learn's 8 by 8 images of digits, odd or even, split at random."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    X = (digits.data[order] / 16).astype("float32")
    y = (digits.target[order] % 2).astype("float32")
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _ours(kind: str, factors: int, **settings: Any) -> Callable[[Rows, int], Fit]:
    def prepare(rows: Rows, seed: int) -> Fit:
        from sagebrush.algorithms.factorization_machines.model import FactorizationMachine

        model = FactorizationMachine(factors, kind, seed=seed, threads=THREADS, **settings)
        return lambda: model.fit(rows.X, rows.y)

    return prepare


def _myfm(iterations: int) -> Callable[[Rows, int], Fit]:
    def prepare(rows: Rows, seed: int) -> Fit:
        import myfm

        groups = [0] * _USERS + [1] * _ITEMS
        model = myfm.MyFMRegressor(rank=_FACTORS, random_seed=seed)
        return lambda: model.fit(rows.X, rows.y, n_iter=iterations, grouping=groups)

    return prepare


def _ridge(rows: Rows, seed: int) -> Fit:
    from sklearn.linear_model import Ridge

    model = Ridge(1.0, solver="sparse_cg", random_state=seed)
    return lambda: model.fit(rows.X, rows.y)


def _logistic(rows: Rows, seed: int) -> Fit:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500, random_state=seed)
    return lambda: model.fit(rows.X, rows.y)


def _all_pairs(rows: Rows, seed: int) -> Fit:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
    model = make_pipeline(pairs, LogisticRegression(max_iter=500, random_state=seed))
    return lambda: model.fit(rows.X, rows.y)


def _rmse(model: Any, rows: Rows) -> float:
    return float(np.sqrt(((model.predict(rows.held_out) - rows.truth) ** 2).mean()))


def _accuracy(model: Any, rows: Rows) -> float:
    return float((model.predict(rows.held_out) == rows.truth).mean())


_RATES: dict[str, Any] = {
    "epochs": _EPOCHS,
    "linear_lr": 0.01,
    "factors_lr": 0.01,
    "factors_init_sigma": 0.05,
    "linear_wd": 1e-5,
    "bias_wd": 0.0,
}
_DIGITS: dict[str, Any] = _RATES | {
    "epochs": 60,
    "mini_batch_size": 50,
    "linear_lr": 0.02,
    "factors_lr": 0.02,
    "factors_init_sigma": 0.1,
    "linear_wd": 3e-4,
    "factors_wd": 3e-4,
}

TASKS = (
    Task(
        name="factorization-machines-ratings",
        summary="ratings of 2000 users by 1000 items, 8 factors, noise 0.3; 20 epochs",
        data=_ratings,
        numbers_per_row=2,
        sizes=(160_000, 500_000, 1_600_000, 5_000_000),
        quality_rows=160_000,
        quality=_RMSE,
        score=_rmse,
        contenders=(
            Contender("sagebrush", _ours("regressor", _FACTORS, **_RATES), ours=True),
            Contender("myFM, 20 iterations", _myfm(20), environment=PEERS),
            Contender("myFM, 200 iterations", _myfm(200), environment=PEERS, max_rows=160_000),
            Contender("sklearn Ridge, no pairs", _ridge),
        ),
        # The best that was measured with xlearn is 0.348, with a prototype 0.335.
        targets=(NoWorse(), Faster(1.0, than="myFM, 20 iterations"), Reaches(0.335)),
    ),
    Task(
        name="factorization-machines-digits",
        summary="scikit-learn's digits, odd or even from all pairs of 64 pixels",
        data=_digits,
        numbers_per_row=64,
        sizes=(1300,),
        quality_rows=1300,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=(
            Contender("sagebrush", _ours("binary_classifier", 32, **_DIGITS), ours=True),
            Contender("sklearn logistic, all pairs", _all_pairs),
            Contender("sklearn logistic", _logistic),
        ),
        real_data=True,
    ),
)
