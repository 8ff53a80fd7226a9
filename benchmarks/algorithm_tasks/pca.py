"""Principal components beside scikit-learn's: known low rank, many features, images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import THREADS, Contender, Faster, Fit, NoWorse, Quality, Task

# Variance is a share of what the best components keep of held-out rows.
_KEPT = Quality("variance kept", higher_is_better=True, tolerance=1e-3)


@dataclass(frozen=True)
class Rows:
    """Rows to find `components` of, and rows held out to measure the variance kept of."""

    rows: Any
    held_out: Any
    components: int


def _low_rank(rows: int, seed: int, features: int) -> Rows:
    """Return rows of rank 10 with falling variances, noise and a mean of 5."""
    random = np.random.default_rng([3, seed])
    basis = random.standard_normal((10, features), dtype="float32")
    basis *= np.linspace(1.0, 0.3, 10, dtype="float32")[:, None]

    def drawn(count: int) -> Any:
        noise = random.standard_normal((count, features), dtype="float32")
        noise += random.standard_normal((count, 10), dtype="float32") @ basis
        noise += 5
        return noise

    return Rows(drawn(rows), drawn(2000), 10)


def _narrow(rows: int, seed: int) -> Rows:
    """Return rows of 100 features, as tables have them."""
    return _low_rank(rows, seed, 100)


def _wide(rows: int, seed: int) -> Rows:
    """Return rows of 2,000 features, as signals and images have them."""
    return _low_rank(rows, seed, 2000)


def _digits(rows: int, seed: int) -> Rows:
    """Return scikit-learn's 8 by 8 images of digits, split at random."""
    from sklearn.datasets import load_digits

    images = load_digits().data.astype("float32")
    order = np.random.default_rng(seed).permutation(len(images))
    return Rows(images[order[:rows]], images[order[rows:]], 10)


def _ours(mode: str) -> Any:
    def contender(data: Rows, seed: int) -> Fit:
        from sagebrush.algorithms.pca.model import PCA

        model = PCA(data.components, algorithm_mode=mode, seed=seed, threads=THREADS)
        return lambda: model.fit(data.rows).components_

    return contender


def _scikit_learn(solver: str) -> Any:
    def contender(data: Rows, seed: int) -> Fit:
        from sklearn.decomposition import PCA

        model = PCA(data.components, svd_solver=solver, random_state=seed)
        return lambda: model.fit(data.rows).components_

    return contender


def _incremental(data: Rows, seed: int) -> Fit:  # noqa: ARG001
    from sklearn.decomposition import IncrementalPCA

    model = IncrementalPCA(data.components, batch_size=5 * data.rows.shape[1])
    return lambda: model.fit(data.rows).components_


def _variance_kept(components: Any, data: Rows) -> float:
    centred = data.held_out - data.rows.mean(axis=0, dtype="float64")
    basis = np.linalg.qr(np.asarray(components, "float64").T)[0]
    return float(((centred @ basis) ** 2).sum() / (centred**2).sum())


_PEERS = (
    Contender("sklearn PCA covariance", _scikit_learn("covariance_eigh")),
    Contender("sklearn PCA randomized", _scikit_learn("randomized")),
    Contender("sklearn PCA arpack", _scikit_learn("arpack")),
    Contender("sklearn IncrementalPCA", _incremental),
)

TASKS = (
    Task(
        name="pca",
        summary="10 components of 100 float32 features, rank 10 and noise, exact",
        data=_narrow,
        numbers_per_row=100,
        sizes=(10_000, 40_000, 150_000, 500_000),
        quality_rows=40_000,
        quality=_KEPT,
        score=_variance_kept,
        contenders=(Contender("sagebrush", _ours("regular"), ours=True), *_PEERS),
        targets=(NoWorse(), Faster(2.0)),
    ),
    Task(
        name="pca-wide",
        summary="10 components of 2,000 float32 features, rank 10 and noise, randomized",
        data=_wide,
        numbers_per_row=2000,
        sizes=(1_000, 3_000, 10_000, 20_000),
        quality_rows=3_000,
        quality=_KEPT,
        score=_variance_kept,
        contenders=(Contender("sagebrush", _ours("randomized"), ours=True), *_PEERS[:3]),
        targets=(NoWorse(), Faster(2.0)),
    ),
    Task(
        name="pca-digits",
        summary="10 components of 1,797 images of 64 pixels (real data)",
        data=_digits,
        numbers_per_row=64,
        sizes=(1_400,),
        quality_rows=1_400,
        quality=_KEPT,
        score=_variance_kept,
        contenders=(Contender("sagebrush", _ours("regular"), ours=True), *_PEERS),
        targets=(NoWorse(),),
        real_data=True,
    ),
)
