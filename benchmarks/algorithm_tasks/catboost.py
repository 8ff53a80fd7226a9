"""The CatBoost job beside the plain library on the same csv files, and other boosted trees."""

from __future__ import annotations

from typing import Any

from benchmarks.algorithm_tasks import THREADS, Contender, Faster, Fit, NoWorse, Task
from benchmarks.algorithm_tasks.lightgbm import (
    LEARNING_RATE,
    QUALITY,
    ROUNDS,
    Rows,
    diabetes,
    error,
    read,
    sklearn_trees,
    surface,
    written,
    xgboost_trees,
)


def _ours(rows: Rows, _seed: int) -> Fit:
    import catboost

    from sagebrush.algorithms.container import train_main

    values = {"iterations": str(ROUNDS), "learning_rate": str(LEARNING_RATE), "verbose": "100"}
    root = written(rows, values)

    def fit() -> Any:
        assert train_main("catboost", root) == 0, (root / "output/failure").read_text()
        return catboost.CatBoostRegressor().load_model(str(root / "model/model"))

    return fit


def _catboost(rows: Rows, _seed: int) -> Fit:
    import catboost

    folder = written(rows, {}) / "input/data"
    model = catboost.CatBoostRegressor(
        iterations=ROUNDS,
        learning_rate=LEARNING_RATE,
        depth=6,
        l2_leaf_reg=3,
        bagging_temperature=1.0,
        sampling_frequency="PerTreeLevel",
        random_seed=1,
        thread_count=THREADS,
        allow_writing_files=False,
        verbose=False,
        early_stopping_rounds=5,
    )

    def fit() -> Any:
        held_out = read(folder / "validation/data.csv")
        return model.fit(*read(folder / "training/data.csv"), eval_set=held_out)

    return fit


TARGETS = (NoWorse(than="catboost"), Faster(0.95, than="catboost"))
_CONTENDERS = (
    Contender("sagebrush", _ours, ours=True),
    Contender("catboost", _catboost),
    Contender("sklearn HistGradientBoosting", sklearn_trees),
    Contender("xgboost", xgboost_trees),
)

TASKS = (
    Task(
        name="catboost",
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
        name="catboost-diabetes",
        summary="442 patients with 10 measurements, progress of diabetes (real data)",
        data=diabetes,
        numbers_per_row=10,
        sizes=(330,),
        quality_rows=330,
        quality=QUALITY,
        score=error,
        contenders=_CONTENDERS,
        targets=(NoWorse(than="catboost"),),
        real_data=True,
    ),
)
