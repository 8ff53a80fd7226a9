"""Random Cut Forest beside other detectors of outliers: planted ones, a broken rhythm, tumours."""

from __future__ import annotations

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
    Task,
)

_AUC = Quality("AUC", higher_is_better=True)
_SAMPLES = 256
_WINDOW = 24


@dataclass(frozen=True)
class Observations:
    """Rows to fit on and to score, and which of them are outliers."""

    rows: Any
    outliers: Any


def _planted(rows: int, seed: int) -> Observations:
    """Return six clusters of unequal spread in 8 dimensions, and 1 % of rows anywhere."""
    random = np.random.default_rng([11, seed])
    centers = random.normal(scale=6, size=(6, 8)).astype("float32")
    spreads = random.uniform(0.5, 1.5, size=(6, 8)).astype("float32")
    cluster = random.integers(0, 6, rows)
    points = random.standard_normal(size=(rows, 8), dtype="float32")
    points = points * spreads[cluster] + centers[cluster]
    outliers = random.random(rows) < 0.01
    points[outliers] = random.uniform(-10, 10, size=(int(outliers.sum()), 8))
    return Observations(points, outliers)


def _rhythm(rows: int, seed: int) -> Observations:
    """Return windows of a day of an hourly series; now and then it stands still for eight hours."""
    random = np.random.default_rng([12, seed])
    hours = np.arange(rows + _WINDOW - 1)
    series = np.sin(hours * 2 * np.pi / 24) + 0.3 * np.sin(hours * 2 * np.pi / 168)
    series += random.normal(scale=0.1, size=hours.size)
    broken = np.zeros(hours.size, bool)
    for first in random.choice(hours.size - 12, max(1, rows // 1000), replace=False):
        still = slice(first, first + 8)
        series[still] = series[still].mean() + random.normal(scale=0.1, size=8)
        broken[still] = True
    windows = np.lib.stride_tricks.sliding_window_view(series.astype("float32"), _WINDOW)
    outliers = np.lib.stride_tricks.sliding_window_view(broken, _WINDOW).any(axis=1)
    return Observations(np.ascontiguousarray(windows), outliers)


def _tumours(rows: int, seed: int) -> Observations:
    """Return scikit-learn's measured tumours, scaled: the benign ones and few malignant ones."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    features, benign = load_breast_cancer(return_X_y=True)
    random = np.random.default_rng(seed)
    few = random.choice(np.flatnonzero(benign == 0), rows - int(benign.sum()), replace=False)
    chosen = np.concatenate([np.flatnonzero(benign == 1), few])
    scaled = StandardScaler().fit_transform(features[chosen]).astype("float32")
    return Observations(scaled, benign[chosen] == 0)


def _ours(data: Observations, seed: int) -> Fit:
    from sagebrush.algorithms.random_cut_forest.model import RandomCutForest

    model = RandomCutForest(100, _SAMPLES, seed=seed, threads=THREADS)
    return lambda: model.fit(data.rows).score(data.rows)


def _isolation_forest(data: Observations, seed: int) -> Fit:
    import joblib
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(
        n_estimators=100, max_samples=min(_SAMPLES, len(data.rows)), random_state=seed
    )

    def fit() -> Any:
        # What scikit-learn's documentation says makes scoring parallel.
        with joblib.parallel_backend("threading", n_jobs=THREADS):
            return -model.fit(data.rows).score_samples(data.rows)

    return fit


def _local_outlier_factor(data: Observations, seed: int) -> Fit:
    from sklearn.neighbors import LocalOutlierFactor

    del seed  # it draws nothing
    model = LocalOutlierFactor(n_neighbors=20, n_jobs=THREADS)
    return lambda: -model.fit(data.rows).negative_outlier_factor_


def _rrcf(data: Observations, seed: int) -> Fit:
    """Return rrcf's documented way with a batch: trees of its rows, each row scored where it is."""
    import rrcf

    count = len(data.rows)
    size = min(_SAMPLES, count)
    rows = data.rows.astype("float64")

    def fit() -> Any:
        random = np.random.default_rng(seed)
        np.random.seed(seed)  # noqa: NPY002 - where rrcf takes its random numbers from
        total, times, trees = np.zeros(count), np.zeros(count), 0
        while trees < 100 or not times.all():
            # Every row is in one tree of a round.
            order = random.permutation(count)
            for first in range(0, count - size + 1, size):
                chosen = order[first : first + size]
                tree = rrcf.RCTree(rows[chosen], index_labels=chosen)
                total[chosen] += [tree.codisp(leaf) for leaf in chosen]
                times[chosen] += 1
                trees += 1
        return total / times

    return fit


def _auc(scores: Any, data: Observations) -> float:
    """Return the chance that an outlier scores higher than another row."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    positives = int(data.outliers.sum())
    above = ranks[data.outliers].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(ranks) - positives)))


def _contenders(neighbours_max_rows: int) -> tuple[Contender, ...]:
    return (
        Contender("sagebrush", _ours, ours=True),
        Contender("sklearn IsolationForest", _isolation_forest),
        Contender(
            "sklearn LocalOutlierFactor", _local_outlier_factor, max_rows=neighbours_max_rows
        ),
        Contender("rrcf", _rrcf, environment=PEERS, max_rows=20_000),
    )


TASKS = (
    Task(
        name="random-cut-forest",
        summary="1 % outliers among six clusters in 8 dimensions; fit, then score the same rows",
        data=_planted,
        numbers_per_row=8,
        sizes=(10_000, 50_000, 250_000, 1_250_000),
        quality_rows=10_000,
        quality=_AUC,
        score=_auc,
        contenders=_contenders(50_000),
        targets=(NoWorse(than="sklearn IsolationForest"), NoWorse(than="rrcf"), Faster(2.0)),
    ),
    Task(
        name="random-cut-forest-rhythm",
        summary="an hourly series in windows of a day; now and then it stands still",
        data=_rhythm,
        numbers_per_row=_WINDOW,
        sizes=(5_000, 20_000, 100_000, 450_000),
        quality_rows=20_000,
        quality=_AUC,
        score=_auc,
        contenders=_contenders(20_000),
        targets=(NoWorse(than="sklearn IsolationForest"), NoWorse(than="rrcf")),
    ),
    Task(
        name="random-cut-forest-tumours",
        summary="30 measures of 357 benign and 20 malignant tumours (real data)",
        data=_tumours,
        numbers_per_row=30,
        sizes=(377,),
        quality_rows=377,
        quality=_AUC,
        score=_auc,
        contenders=_contenders(20_000),
        targets=(NoWorse(than="sklearn IsolationForest"), NoWorse(than="rrcf")),
        real_data=True,
    ),
)
