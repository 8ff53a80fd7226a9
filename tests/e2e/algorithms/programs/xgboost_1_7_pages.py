"""Trains from pages and from memory in version 1.7 and prints what came of it as JSON."""

import json
import sys

import numpy as np
import xgboost

from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.xgboost import matrices, paging
from sagebrush.algorithms.xgboost.matrix_options import MatrixOptions
from sagebrush.algorithms.xgboost.sketched_bins import BIN_PARAMETERS

ROWS = 60_000
BLOCK_ROWS = 7000
PARAMETERS = {"tree_method": "hist", "max_depth": 5, "nthread": 1}


def data() -> tuple[np.ndarray, np.ndarray]:
    """Columns with few values, a long tail, missing values, and two that have hardly any value."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(ROWS, 7)).astype(np.float32)
    rows[:, 2] = generator.poisson(3, ROWS)
    rows[:, 3] = np.exp(3 * rows[:, 3])
    labels = rows[:, 0] + rows[:, 1] ** 2 + (rows[:, 2] > 2) + np.log(rows[:, 3])
    absent = generator.random(ROWS) < 0.2
    rows[absent, 4] = np.nan
    rows[:, 5:] = np.nan
    rows[40_000, 5] = 5
    rows[[100, 30_000, 50_000], 6] = [-40, 0.001, 70]
    rare = ~np.isnan(rows[:, 6])
    # Whether there is a value tells more than which one: what lies beyond the edges matters.
    return rows, (labels + 3 * absent + 2000 * rare).astype(np.float32)


class Source:
    def __init__(self, rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> None:
        self.columns = (rows, labels, weights)

    def batches(self):
        for start in range(0, ROWS, BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            yield Batch(*(None if each is None else each[part] for each in self.columns))


def trained(rows: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> dict:
    matrices.in_memory_rows_bytes = lambda: 1000
    paging.page_bytes = lambda _: 80_000
    paged = matrices.read_matrix([Source(rows, labels, weights)], MatrixOptions(1))
    whole = xgboost.DMatrix(rows, label=labels, weight=weights)
    watched: dict = {}
    booster = xgboost.train(
        PARAMETERS | BIN_PARAMETERS | {"max_bin": paged.bins}, paged, 20, evals=[(paged, "paged")],
        evals_result=watched, verbose_eval=False,
    )  # fmt: skip
    in_memory = xgboost.train(PARAMETERS, whole, 20)
    given = paged.get_weight()
    return {
        "bins": paged.bins,
        "weights_kept": bool(np.array_equal(given, [] if weights is None else weights)),
        "while_training": watched["paged"]["rmse"][-1],
        "errors": [float(each.eval(whole).partition(":")[2]) for each in (booster, in_memory)],
    }


rows, labels = data()
weights = np.random.default_rng(2).random(ROWS).astype(np.float32)
results = {name: trained(rows, labels, each) for name, each in (("even", None), ("odd", weights))}
json.dump({"version": xgboost.__version__, "deviation": float(labels.std())} | results, sys.stdout)
