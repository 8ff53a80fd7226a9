"""K-Means beside scikit-learn's: blobs with a known floor, and handwritten digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import (
    THREADS,
    Contender,
    Faster,
    Fit,
    NoWorse,
    Quality,
    Reaches,
    Task,
)

_MSD = Quality("MSD", higher_is_better=False)


@dataclass(frozen=True)
class Points:
    """Rows to cluster into `k`, and rows held out to measure distances on."""

    rows: Any
    held_out: Any
    k: int


def _blobs(rows: int, seed: int) -> Points:
    """Return 50 blobs in 20 dimensions, variance 9: no clustering has a lower MSD than 180."""
    random = np.random.default_rng([7, seed])
    centers = random.normal(scale=12, size=(50, 20)).astype("float32")

    def drawn(count: int) -> Any:
        noise = random.standard_normal(size=(count, 20), dtype="float32") * 3
        return centers[random.integers(0, 50, count)] + noise

    return Points(drawn(rows), drawn(20_000), 50)


def _digits(rows: int, seed: int) -> Points:
    """Return scikit-learn's 8 by 8 images of digits, split at random."""
    from sklearn.datasets import load_digits

    images = load_digits().data.astype("float32")
    order = np.random.default_rng(seed).permutation(len(images))
    return Points(images[order[:rows]], images[order[rows:]], 10)


def _ours(points: Points, seed: int) -> Fit:
    from sagebrush.algorithms.kmeans.model import KMeans

    model = KMeans(points.k, seed=seed, threads=THREADS)
    return lambda: model.fit(points.rows).centers_


def _kmeans(points: Points, seed: int) -> Fit:
    from sklearn.cluster import KMeans

    model = KMeans(points.k, n_init=1, random_state=seed)
    return lambda: model.fit(points.rows).cluster_centers_


def _mini_batch_kmeans(points: Points, seed: int) -> Fit:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(points.k, batch_size=5000, n_init=3, max_iter=5, random_state=seed)
    return lambda: model.fit(points.rows).cluster_centers_


def _faiss(points: Points, seed: int) -> Fit:
    import faiss

    faiss.omp_set_num_threads(THREADS)

    def fit() -> Any:
        model = faiss.Kmeans(
            points.rows.shape[1],
            points.k,
            niter=25,
            seed=seed,
            # All rows, as the others; the default takes 256 for each centre.
            max_points_per_centroid=len(points.rows),
        )
        model.train(np.ascontiguousarray(points.rows))
        return model.centroids

    return fit


def _mean_square_distance(centers: Any, points: Points) -> float:
    total = 0.0
    for first in range(0, len(points.held_out), 2000):
        part = points.held_out[first : first + 2000]
        distances = ((part[:, None, :] - centers[None]) ** 2).sum(axis=2)
        total += float(distances.min(axis=1).sum())
    return total / len(points.held_out)


_CONTENDERS = (
    Contender("sagebrush", _ours, ours=True),
    Contender("sklearn KMeans", _kmeans),
    Contender("sklearn MiniBatchKMeans", _mini_batch_kmeans),
    Contender("faiss Kmeans", _faiss),
)

TASKS = (
    Task(
        name="kmeans",
        summary="50 clusters of 20 float32 features; the noise alone is an MSD of 180",
        data=_blobs,
        numbers_per_row=20,
        sizes=(20_000, 60_000, 200_000, 600_000),
        quality_rows=200_000,
        quality=_MSD,
        score=_mean_square_distance,
        contenders=_CONTENDERS,
        targets=(NoWorse(), Faster(2.0), Reaches(181.0)),
    ),
    Task(
        name="kmeans-digits",
        summary="10 clusters of 1,797 images of 64 pixels (real data)",
        data=_digits,
        numbers_per_row=64,
        sizes=(1_400,),
        quality_rows=1_400,
        quality=_MSD,
        score=_mean_square_distance,
        contenders=_CONTENDERS,
        targets=(NoWorse(),),
        real_data=True,
    ),
)
