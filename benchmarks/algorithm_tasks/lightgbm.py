"""The LightGBM job beside the plain library on the same csv files, and other boosted trees."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import THREADS, Contender, Faster, Fit, NoWorse, Quality, Task

ROUNDS = 60
LEARNING_RATE = 0.1


@dataclass(frozen=True)
class Rows:
    """Rows to train on, with a tenth of them for validation, and rows held out to judge by."""

    X: Any
    y: Any
    held_out: Any
    truth: Any

    @property
    def training(self) -> tuple[Any, Any]:
        cut = len(self.y) * 9 // 10
        return self.X[:cut], self.y[:cut]

    @property
    def validation(self) -> tuple[Any, Any]:
        cut = len(self.y) * 9 // 10
        return self.X[cut:], self.y[cut:]


def surface(rows: int, seed: int) -> Rows:
    """Return Friedman's first surface over 5 of 20 features with noise of variance 1.

    No prediction has a lower error than 1.
    """
    random = np.random.default_rng([11, seed])
    X = random.random(size=(rows + 20_000, 20)).round(6)
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2
    y += 10 * X[:, 3] + 5 * X[:, 4] + random.normal(size=len(X))
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def diabetes(rows: int, seed: int) -> Rows:
    """Return scikit-learn's 442 patients with 10 measurements, split at random."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes()
    order = np.random.default_rng(seed).permutation(len(found.target))
    X, y = found.data[order], found.target[order]
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def written(rows: Rows, values: Mapping[str, str]) -> Path:
    """Return a folder as a container sees /opt/ml, with the rows as csv in two channels."""
    import pyarrow as pa
    import pyarrow.csv

    root = Path(tempfile.mkdtemp(prefix="bench-tabular-"))
    config = root / "input/config"
    config.mkdir(parents=True)
    for name, (X, y) in (("training", rows.training), ("validation", rows.validation)):
        channel = root / "input/data" / name
        channel.mkdir(parents=True)
        columns = {str(at): np.ascontiguousarray(each) for at, each in enumerate([y, *X.T])}
        options = pa.csv.WriteOptions(include_header=False)
        pa.csv.write_csv(pa.table(columns), channel / "data.csv", options)
    values = {"problem_type": "regression", **values}
    channels = {name: {"ContentType": "text/csv"} for name in ("training", "validation")}
    (config / "hyperparameters.json").write_text(json.dumps(values))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    return root


def read(file: Path) -> tuple[Any, Any]:
    """Return the rows and targets of a csv file, as users of the plain library read it."""
    import pyarrow.csv

    options = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
    table = pyarrow.csv.read_csv(file, read_options=options)
    columns = np.column_stack([column.to_numpy() for column in table.columns])
    return np.ascontiguousarray(columns[:, 1:]), columns[:, 0]


def error(model: Any, rows: Rows) -> float:
    """Return the root mean square error on the rows held out."""
    return float(np.sqrt(np.mean((model.predict(rows.held_out) - rows.truth) ** 2)))


def sklearn_trees(rows: Rows, seed: int) -> Fit:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        learning_rate=LEARNING_RATE,
        max_iter=ROUNDS,
        max_leaf_nodes=64,
        max_depth=6,
        min_samples_leaf=3,
        random_state=seed,
    )
    return lambda: model.fit(*rows.training)


def xgboost_trees(rows: Rows, seed: int) -> Fit:
    import xgboost

    model = xgboost.XGBRegressor(
        n_estimators=ROUNDS,
        learning_rate=LEARNING_RATE,
        max_depth=6,
        subsample=0.9,
        colsample_bytree=0.9,
        n_jobs=THREADS,
        random_state=seed,
    )
    return lambda: model.fit(*rows.training, eval_set=[rows.validation], verbose=False)


def _ours(rows: Rows, _seed: int) -> Fit:
    from sagebrush.algorithms.container import train_main
    from sagebrush.algorithms.lightgbm.thread_waiting import spin_briefly

    # The job does so, too, but here the library is imported before it starts.
    spin_briefly()
    import lightgbm

    values = {"num_boost_round": str(ROUNDS), "learning_rate": str(LEARNING_RATE)}
    root = written(rows, values)

    def fit() -> Any:
        assert train_main("lightgbm", root) == 0, (root / "output/failure").read_text()
        return lightgbm.Booster(model_file=root / "model/model.txt")

    return fit


def _lightgbm(rows: Rows, _seed: int) -> Fit:
    import lightgbm

    folder = written(rows, {}) / "input/data"
    parameters = {
        "objective": "regression",
        "metric": "rmse",
        "learning_rate": LEARNING_RATE,
        "num_leaves": 64,
        "max_depth": 6,
        "min_data_in_leaf": 3,
        "feature_fraction": 0.9,
        "bagging_fraction": 0.9,
        "bagging_freq": 1,
        "num_threads": THREADS,
        "verbosity": -1,
    }

    def fit() -> Any:
        data = lightgbm.Dataset(*read(folder / "training/data.csv"), params=parameters)
        valid = data.create_valid(*read(folder / "validation/data.csv"))
        stop = lightgbm.early_stopping(10, verbose=False)
        return lightgbm.train(parameters, data, ROUNDS, [valid], callbacks=[stop])

    return fit


QUALITY = Quality("RMSE", higher_is_better=False, tolerance=5e-3)
TARGETS = (NoWorse(than="lightgbm"), Faster(0.95, than="lightgbm"))
_CONTENDERS = (
    Contender("sagebrush", _ours, ours=True),
    Contender("lightgbm", _lightgbm),
    Contender("sklearn HistGradientBoosting", sklearn_trees),
    Contender("xgboost", xgboost_trees),
)

TASKS = (
    Task(
        name="lightgbm",
        summary="60 rounds over 20 features from csv (scikit-learn's and xgboost's from memory)",
        data=surface,
        numbers_per_row=20,
        sizes=(20_000, 60_000, 200_000, 500_000),
        quality_rows=60_000,
        quality=QUALITY,
        score=error,
        contenders=_CONTENDERS,
        targets=TARGETS,
    ),
    Task(
        name="lightgbm-diabetes",
        summary="442 patients with 10 measurements, progress of diabetes (real data)",
        data=diabetes,
        numbers_per_row=10,
        sizes=(330,),
        quality_rows=330,
        quality=QUALITY,
        score=error,
        contenders=_CONTENDERS,
        targets=(NoWorse(than="lightgbm"),),
        real_data=True,
    ),
)
