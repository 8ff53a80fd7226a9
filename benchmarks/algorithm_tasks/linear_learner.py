"""Linear Learner and its grid of models beside scikit-learn's linear models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import Contender, Faster, Fit, NoWorse, Quality, Task

_EPOCHS = 5
_GRID = "sklearn SGD, grid of 32"
_F1 = Quality("F1", higher_is_better=True)
_MSE = Quality("MSE", higher_is_better=False, tolerance=2e-3)


@dataclass(frozen=True)
class Rows:
    """Rows with labels; the last fifth of the training rows is for validation."""

    X: Any
    y: Any
    held_out: Any
    truth: Any

    @property
    def cut(self) -> int:
        return len(self.y) * 4 // 5


def _imbalanced(rows: int, seed: int) -> Rows:
    """Return 5 % positives over 50 features of different scales, linear but for noise."""
    random = np.random.default_rng([3, seed])
    X, margin = _linear(random, rows + 20_000, noise=3.0)
    y = (margin > np.quantile(margin, 0.95)).astype("float32")
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _regression(rows: int, seed: int) -> Rows:
    """Return a linear function of 50 features of different scales, with noise of variance 4."""
    X, y = _linear(np.random.default_rng([5, seed]), rows + 20_000, noise=2.0)
    y = (y + 40).astype("float32")
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _linear(random: np.random.Generator, total: int, noise: float) -> tuple[Any, Any]:
    standard = random.standard_normal(size=(total, 50), dtype="float32")
    values = standard @ random.normal(size=50).astype("float32")
    values += random.normal(scale=noise, size=total).astype("float32")
    return standard * random.uniform(0.2, 20, size=50).astype("float32"), values


def _cancer(rows: int, seed: int) -> Rows:
    return _split(*_dataset("load_breast_cancer"), rows, seed)


def _diabetes(rows: int, seed: int) -> Rows:
    return _split(*_dataset("load_diabetes"), rows, seed)


def _dataset(loader: str) -> tuple[Any, Any]:
    from sklearn import datasets

    found = getattr(datasets, loader)()
    return found.data.astype("float32"), found.target.astype("float32")


def _split(X: Any, y: Any, rows: int, seed: int) -> Rows:
    order = np.random.default_rng(seed).permutation(len(y))
    X, y = X[order], y[order]
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _ours(
    kind: str,
    models: int = 32,
    epochs: int = _EPOCHS,
    validates: bool = True,
    **settings: Any,
) -> Callable[[Rows, int], Fit]:
    """Return ours with the last fifth as validation channel, or on all rows without that channel.

    Without it the model is chosen by the training objective, as the hosted algorithm does. Of few
    rows those held back would cost more than they tell, and Ridge and the like hold none back.
    """

    def prepare(rows: Rows, seed: int) -> Fit:
        from sagebrush.algorithms.linear_learner.model import LinearLearner

        chosen: dict[str, Any] = {
            "epochs": epochs,
            "early_stopping_patience": epochs,
            "num_models": models,
        }
        if kind == "binary_classifier":
            settings["binary_classifier_model_selection_criteria"] = "f1"
        model = LinearLearner(kind, seed=seed, **chosen, **settings)
        if not validates:
            return lambda: model.fit(rows.X, rows.y)
        validation = (rows.X[rows.cut :], rows.y[rows.cut :])
        return lambda: model.fit(rows.X[: rows.cut], rows.y[: rows.cut], validation)

    return prepare


def _scaled(estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _sgd(kind: str, seed: int, **settings: Any) -> Any:
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    if kind == "regressor":
        return SGDRegressor(max_iter=_EPOCHS, tol=None, random_state=seed, **settings)
    return SGDClassifier(loss="log_loss", max_iter=_EPOCHS, tol=None, random_state=seed, **settings)


def _one_sgd(kind: str) -> Callable[[Rows, int], Fit]:
    def prepare(rows: Rows, seed: int) -> Fit:
        model = _scaled(_sgd(kind, seed))
        return lambda: model.fit(rows.X, rows.y)

    return prepare


def _sgd_grid(kind: str) -> Callable[[Rows, int], Fit]:
    """Return what does with scikit-learn what Linear Learner does: 32 models, the best is kept."""

    def prepare(rows: Rows, seed: int) -> Fit:
        from sklearn.preprocessing import StandardScaler

        settings = [
            {"alpha": 10.0**power, **schedule}
            for power in range(-8, 0)
            for schedule in (
                {"learning_rate": "optimal"},
                *({"learning_rate": "invscaling", "eta0": eta0} for eta0 in (0.01, 0.1, 0.5)),
            )
        ]

        def fit() -> Any:
            scaler = StandardScaler().fit(rows.X[: rows.cut])
            X = scaler.transform(rows.X)
            models = [_sgd(kind, seed, **each) for each in settings]
            scores = []
            for model in models:
                model.fit(X[: rows.cut], rows.y[: rows.cut])
                scores.append(_validated(model, X[rows.cut :], rows.y[rows.cut :], kind))
            best = models[int(np.argmax(scores))]
            return _Scaled(scaler, best)

        return fit

    return prepare


@dataclass(frozen=True)
class _Scaled:
    scaler: Any
    model: Any

    def predict(self, X: Any) -> Any:
        return self.model.predict(self.scaler.transform(X))


def _validated(model: Any, X: Any, y: Any, kind: str) -> float:
    from sklearn.metrics import f1_score

    predicted = model.predict(X)
    if kind == "regressor":
        # A step that is too long makes a model diverge; it must lose, not be chosen as "nan".
        return -float(np.nan_to_num(np.mean((predicted - y) ** 2), nan=np.inf))
    return float(f1_score(y, predicted))


def _logistic_regression(rows: Rows, _seed: int) -> Fit:
    from sklearn.linear_model import LogisticRegression

    model = _scaled(LogisticRegression(max_iter=200))
    return lambda: model.fit(rows.X, rows.y)


def _ridge(rows: Rows, _seed: int) -> Fit:
    from sklearn.linear_model import Ridge

    model = _scaled(Ridge())
    return lambda: model.fit(rows.X, rows.y)


def _f1(model: Any, rows: Rows) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(rows.truth, model.predict(rows.held_out)))


def _mean_squared_error(model: Any, rows: Rows) -> float:
    predicted = np.asarray(model.predict(rows.held_out)).ravel()
    return float(np.mean((predicted - rows.truth) ** 2))


def _classifiers(**settings: Any) -> tuple[Contender, ...]:
    return (
        Contender("sagebrush 32 models", _ours("binary_classifier", **settings), ours=True),
        Contender("sagebrush 1 model", _ours("binary_classifier", 1, **settings), ours=True),
        Contender("sklearn SGD", _one_sgd("binary_classifier")),
        Contender(_GRID, _sgd_grid("binary_classifier")),
        Contender("sklearn LogisticRegression", _logistic_regression),
    )


def _regressors(**settings: Any) -> tuple[Contender, ...]:
    return (
        Contender("sagebrush 32 models", _ours("regressor", **settings), ours=True),
        Contender("sagebrush 1 model", _ours("regressor", 1, **settings), ours=True),
        Contender("sklearn SGD", _one_sgd("regressor")),
        Contender(_GRID, _sgd_grid("regressor")),
        Contender("sklearn Ridge", _ridge),
    )


_SIZES = (20_000, 60_000, 200_000, 600_000)
_TARGETS = (NoWorse(), Faster(2.0, than=_GRID))

TASKS = (
    Task(
        name="linear-binary",
        summary="5 % positives over 50 float32 features, linear but for noise",
        data=_imbalanced,
        numbers_per_row=50,
        sizes=_SIZES,
        quality_rows=60_000,
        quality=_F1,
        score=_f1,
        contenders=_classifiers(),
        targets=_TARGETS,
        limit_s=300,
    ),
    Task(
        name="linear-regression",
        summary="a linear function of 50 float32 features; the noise alone is an MSE of 4",
        data=_regression,
        numbers_per_row=50,
        sizes=_SIZES,
        quality_rows=60_000,
        quality=_MSE,
        score=_mean_squared_error,
        contenders=_regressors(),
        targets=_TARGETS,
        limit_s=300,
    ),
    Task(
        name="linear-cancer",
        summary="569 tumours with 30 measurements, benign or malignant (real data)",
        data=_cancer,
        numbers_per_row=30,
        sizes=(400,),
        quality_rows=400,
        quality=_F1,
        score=_f1,
        contenders=_classifiers(epochs=50, mini_batch_size=32),
        targets=(NoWorse(),),
        real_data=True,
    ),
    Task(
        name="linear-diabetes",
        summary="442 patients with 10 measurements, progression of the disease (real data)",
        data=_diabetes,
        numbers_per_row=10,
        sizes=(330,),
        quality_rows=330,
        quality=_MSE,
        score=_mean_squared_error,
        contenders=_regressors(epochs=50, mini_batch_size=32, validates=False),
        targets=(NoWorse(),),
        real_data=True,
    ),
)
