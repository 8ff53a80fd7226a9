"""The XGBoost container beside plain xgboost: the same csv file, the same rounds."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import THREADS, Contender, Fit, Quality, Task

_ROUNDS = 30
_PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": "6",
    "eta": "0.3",
    "tree_method": "hist",
    "eval_metric": "logloss",
}


@dataclass(frozen=True)
class Rows:
    X: Any
    y: Any
    held_out: Any
    truth: Any


def _trees(rows: int, seed: int) -> Rows:
    """Return labels that depend on 3 of 20 features, by a sine and a product, with noise."""
    random = np.random.default_rng([9, seed])
    total = rows + 20_000
    X = random.standard_normal(size=(total, 20), dtype="float32")
    signal = np.sin(X[:, 0] * 2) + X[:, 1] * X[:, 2]
    y = (signal + random.normal(scale=0.5, size=total) > 0.3).astype("float32")
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _cancer(rows: int, seed: int) -> Rows:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    order = np.random.default_rng(seed).permutation(len(found.target))
    X, y = found.data[order].astype("float32"), found.target[order].astype("float32")
    return Rows(X[:rows], y[:rows], X[rows:], y[rows:])


def _written(rows: Rows) -> Path:
    """Return a folder as a container sees /opt/ml, with the rows as csv."""
    import pyarrow as pa
    import pyarrow.csv

    root = Path(tempfile.mkdtemp(prefix="bench-xgboost-"))
    channel, config = root / "input/data/train", root / "input/config"
    channel.mkdir(parents=True)
    config.mkdir()
    columns = [rows.y, *rows.X.T]
    table = pa.table({str(at): np.ascontiguousarray(each) for at, each in enumerate(columns)})
    pa.csv.write_csv(table, channel / "data.csv", pa.csv.WriteOptions(include_header=False))
    parameters = {"num_round": str(_ROUNDS), "nthread": str(THREADS)}
    channels = {"train": {"ContentType": "text/csv", "TrainingInputMode": "File"}}
    (config / "hyperparameters.json").write_text(json.dumps(_PARAMETERS | parameters))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    return root


def _ours(rows: Rows, _seed: int) -> Fit:
    import xgboost

    from sagebrush.algorithms.container import train_main

    root = _written(rows)

    def fit() -> Any:
        assert train_main("xgboost", root) == 0, (root / "output/failure").read_text()
        return xgboost.Booster(model_file=root / "model/xgboost-model")

    return fit


def _xgboost(rows: Rows, _seed: int) -> Fit:
    import pyarrow.csv
    import xgboost

    file = _written(rows) / "input/data/train/data.csv"

    def fit() -> Any:
        options = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
        table = pyarrow.csv.read_csv(file, read_options=options)
        read = np.column_stack([column.to_numpy() for column in table.columns]).astype("float32")
        matrix = xgboost.DMatrix(read[:, 1:], read[:, 0])
        parameters = _PARAMETERS | {"nthread": THREADS}
        return xgboost.train(parameters, matrix, _ROUNDS, [(matrix, "train")], verbose_eval=False)

    return fit


def _sklearn(rows: Rows, seed: int) -> Fit:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        learning_rate=0.3, max_iter=_ROUNDS, max_leaf_nodes=64, random_state=seed
    )
    return lambda: model.fit(rows.X, rows.y)


def _log_loss(model: Any, rows: Rows) -> float:
    if hasattr(model, "inplace_predict"):
        predicted = model.inplace_predict(rows.held_out)
    else:
        predicted = model.predict_proba(rows.held_out)[:, 1]
    predicted = np.clip(predicted, 1e-7, 1 - 1e-7)
    truth = rows.truth
    return float(-np.mean(truth * np.log(predicted) + (1 - truth) * np.log(1 - predicted)))


_QUALITY = Quality("log loss", higher_is_better=False, tolerance=1e-3)
_CONTENDERS = (
    Contender("sagebrush", _ours, ours=True),
    Contender("xgboost", _xgboost),
    Contender("sklearn HistGradientBoosting", _sklearn),
)

TASKS = (
    Task(
        name="xgboost",
        summary="30 rounds over 20 features from csv (scikit-learn's from memory)",
        data=_trees,
        numbers_per_row=20,
        sizes=(20_000, 60_000, 200_000, 500_000),
        quality_rows=60_000,
        quality=_QUALITY,
        score=_log_loss,
        contenders=_CONTENDERS,
    ),
    Task(
        name="xgboost-cancer",
        summary="569 tumours with 30 measurements, benign or malignant (real data)",
        data=_cancer,
        numbers_per_row=30,
        sizes=(400,),
        quality_rows=400,
        quality=_QUALITY,
        score=_log_loss,
        contenders=_CONTENDERS,
        targets=(),
        real_data=True,
    ),
)
