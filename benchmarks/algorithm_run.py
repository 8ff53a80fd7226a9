"""One measurement in a process of its own: `python -m benchmarks.algorithm_run TASK NAME ROWS`.

Prints a JSON line: seconds of fitting, peak memory, and the quality on rows held out. Data come
from generators with a known truth; all contestants get the same arrays.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_ROUNDS = 30
_THREADS = 2


def main() -> None:
    task, name, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data, contestants, figure = _TASKS[task]
    X, y, held_out, truth = data(rows)
    with contextlib.redirect_stdout(io.StringIO()):
        fit = contestants[name](X, y)
        started = time.perf_counter()
        model = fit()
        seconds = time.perf_counter() - started
    peak_mb = _peak_bytes() / 1e6
    quality = _FIGURES[figure](model, held_out, truth)
    answer = {"seconds": seconds, "peak_mb": peak_mb, "figure": figure, "quality": float(quality)}
    print(json.dumps(answer))


def _peak_bytes() -> int:
    """Return the most memory this program has had; rusage would count its parent's at the fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process its peak memory")


def _blobs(rows: int) -> tuple[Any, Any, Any, Any]:
    """Return 50 blobs in 20 dimensions, variance 9: no clustering has a lower MSD than 180."""
    random = np.random.default_rng(7)
    centers = random.normal(scale=12, size=(50, 20))
    points = centers[random.integers(0, 50, rows)] + random.normal(scale=3, size=(rows, 20))
    held_out = centers[random.integers(0, 50, 20_000)] + random.normal(scale=3, size=(20_000, 20))
    return points.astype("float32"), None, held_out.astype("float32"), None


def _imbalanced(rows: int) -> tuple[Any, Any, Any, Any]:
    """Return 5 % positives over 50 features, linear but for noise."""
    random = np.random.default_rng(3)
    total = rows + 20_000
    X = random.normal(size=(total, 50)) * random.uniform(0.2, 20, size=50)
    margin = (X / X.std(axis=0)) @ random.normal(size=50) + random.normal(scale=3, size=total)
    y = (margin > np.quantile(margin, 0.95)).astype("float32")
    X = X.astype("float32")
    return X[:rows], y[:rows], X[rows:], y[rows:]


def _regression(rows: int) -> tuple[Any, Any, Any, Any]:
    random = np.random.default_rng(5)
    total = rows + 20_000
    X = (random.normal(size=(total, 50)) * random.uniform(0.2, 20, size=50)).astype("float32")
    y = (X / X.std(axis=0)) @ random.normal(size=50) + random.normal(scale=2, size=total) + 40
    y = y.astype("float32")
    return X[:rows], y[:rows], X[rows:], y[rows:]


def _trees(rows: int) -> tuple[Any, Any, Any, Any]:
    random = np.random.default_rng(9)
    total = rows + 20_000
    X = random.normal(size=(total, 20)).astype("float32")
    y = (np.sin(X[:, 0] * 2) + X[:, 1] * X[:, 2] + random.normal(scale=0.5, size=total) > 0.3) * 1.0
    return X[:rows], y[:rows], X[rows:], y[rows:]


def _our_kmeans(X: Any, _y: Any) -> Callable[[], Any]:
    from sagebrush.algorithms.kmeans.model import KMeans

    model = KMeans(50, seed=1, threads=_THREADS)
    return lambda: model.fit(X).centers_


def _kmeans(X: Any, _y: Any) -> Callable[[], Any]:
    from sklearn.cluster import KMeans

    return lambda: KMeans(50, n_init=1, random_state=1).fit(X).cluster_centers_


def _mini_batch_kmeans(X: Any, _y: Any) -> Callable[[], Any]:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(50, batch_size=5000, n_init=3, max_iter=5, random_state=1)
    return lambda: model.fit(X).cluster_centers_


def _our_linear(kind: str, models: int = 32) -> Callable[[Any, Any], Callable[[], Any]]:
    def prepare(X: Any, y: Any) -> Callable[[], Any]:
        from sagebrush.algorithms.linear_learner.model import LinearLearner

        settings: dict[str, Any] = {
            "epochs": 5,
            "early_stopping_patience": 5,
            "num_models": models,
        }
        if kind == "binary_classifier":
            settings["binary_classifier_model_selection_criteria"] = "f1"
        model = LinearLearner(kind, seed=1, **settings)
        cut = len(y) * 4 // 5
        return lambda: model.fit(X[:cut], y[:cut], (X[cut:], y[cut:]))

    return prepare


def _scaled(estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _sgd_classifier(X: Any, y: Any) -> Callable[[], Any]:
    from sklearn.linear_model import SGDClassifier

    model = _scaled(SGDClassifier(loss="log_loss", max_iter=5, tol=None, random_state=1))
    return lambda: model.fit(X, y)


def _logistic_regression(X: Any, y: Any) -> Callable[[], Any]:
    from sklearn.linear_model import LogisticRegression

    model = _scaled(LogisticRegression(max_iter=200))
    return lambda: model.fit(X, y)


def _sgd_regressor(X: Any, y: Any) -> Callable[[], Any]:
    from sklearn.linear_model import SGDRegressor

    model = _scaled(SGDRegressor(max_iter=5, tol=None, random_state=1))
    return lambda: model.fit(X, y)


def _ridge(X: Any, y: Any) -> Callable[[], Any]:
    from sklearn.linear_model import Ridge

    model = _scaled(Ridge())
    return lambda: model.fit(X, y)


_XGBOOST = {
    "objective": "binary:logistic",
    "max_depth": "6",
    "eta": "0.3",
    "tree_method": "hist",
    "eval_metric": "logloss",
}


def _written(X: Any, y: Any) -> Path:
    """Return a folder as a container sees /opt/ml, with the rows as csv."""
    root = Path(tempfile.mkdtemp())
    channel, config = root / "input/data/train", root / "input/config"
    channel.mkdir(parents=True)
    config.mkdir()
    np.savetxt(channel / "data.csv", np.column_stack([y, X]), fmt="%.6g", delimiter=",")
    files: dict[str, Any] = {
        "hyperparameters": _XGBOOST | {"num_round": str(_ROUNDS), "nthread": str(_THREADS)},
        "inputdataconfig": {
            "train": {
                "ContentType": "text/csv",
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
        },
        "resourceconfig": {
            "current_host": "algo-1",
            "hosts": ["algo-1"],
            "network_interface_name": "lo",
        },
    }
    for name, content in files.items():
        (config / f"{name}.json").write_text(json.dumps(content))
    return root


def _our_xgboost(X: Any, y: Any) -> Callable[[], Any]:
    import xgboost

    from sagebrush.algorithms.container import train_main

    root = _written(X, y)

    def fit() -> Any:
        assert train_main("xgboost", root) == 0, (root / "output/failure").read_text()
        return xgboost.Booster(model_file=root / "model/xgboost-model")

    return fit


def _xgboost(X: Any, y: Any) -> Callable[[], Any]:
    import pyarrow.csv
    import xgboost

    file = _written(X, y) / "input/data/train/data.csv"

    def fit() -> Any:
        options = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
        table = pyarrow.csv.read_csv(file, read_options=options)
        rows = np.column_stack([column.to_numpy() for column in table.columns]).astype("float32")
        matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
        parameters = _XGBOOST | {"nthread": _THREADS}
        return xgboost.train(parameters, matrix, _ROUNDS, [(matrix, "train")], verbose_eval=False)

    return fit


def _mean_square_distance(centers: Any, X: Any, _y: Any) -> float:
    total = 0.0
    for first in range(0, len(X), 2000):
        part = X[first : first + 2000]
        distances = ((part[:, None, :] - centers[None]) ** 2).sum(axis=2)
        total += distances.min(axis=1).sum()
    return float(total / len(X))


def _f1(model: Any, X: Any, y: Any) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y, model.predict(X)))


def _mean_squared_error(model: Any, X: Any, y: Any) -> float:
    return float(np.mean((np.asarray(model.predict(X)).ravel() - y) ** 2))


def _log_loss(model: Any, X: Any, y: Any) -> float:
    predicted = np.clip(model.inplace_predict(X), 1e-7, 1 - 1e-7)
    return float(-np.mean(y * np.log(predicted) + (1 - y) * np.log(1 - predicted)))


_FIGURES: dict[str, Callable[[Any, Any, Any], float]] = {
    "MSD": _mean_square_distance,
    "F1": _f1,
    "MSE": _mean_squared_error,
    "log loss": _log_loss,
}
_TASKS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "kmeans": (
        _blobs,
        {
            "sagebrush": _our_kmeans,
            "sklearn KMeans": _kmeans,
            "sklearn MiniBatchKMeans": _mini_batch_kmeans,
        },
        "MSD",
    ),
    "linear-binary": (
        _imbalanced,
        {
            "sagebrush 32 models": _our_linear("binary_classifier"),
            "sagebrush 1 model": _our_linear("binary_classifier", 1),
            "sklearn SGD": _sgd_classifier,
            "sklearn LogisticRegression": _logistic_regression,
        },
        "F1",
    ),
    "linear-regression": (
        _regression,
        {
            "sagebrush 32 models": _our_linear("regressor"),
            "sagebrush 1 model": _our_linear("regressor", 1),
            "sklearn SGD": _sgd_regressor,
            "sklearn Ridge": _ridge,
        },
        "MSE",
    ),
    "xgboost": (_trees, {"sagebrush": _our_xgboost, "xgboost": _xgboost}, "log loss"),
}

if __name__ == "__main__":
    main()
