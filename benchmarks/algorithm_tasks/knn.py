"""k nearest neighbours beside scikit-learn's and plain faiss: classes of mixtures, and digits.

Fitting and answering are timed together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.algorithm_tasks import THREADS, Contender, Faster, Fit, NoWorse, Quality, Task

_ACCURACY = Quality("accuracy", higher_is_better=True, tolerance=2e-3)
_K = 10


@dataclass(frozen=True)
class Labelled:
    """Rows with classes, and rows held out to be classified."""

    rows: Any
    classes: Any
    held_out: Any
    truth: Any


def _mixture(rows: int, seed: int) -> Labelled:
    """Return 7 classes of 20 overlapping blobs each in 54 dimensions, the size of covtype."""
    random = np.random.default_rng([5, seed])
    centers = random.normal(scale=0.8, size=(140, 54)).astype("float32")

    def drawn(count: int) -> tuple[Any, Any]:
        blob = random.integers(0, 140, count)
        points = centers[blob] + random.standard_normal((count, 54), dtype="float32")
        return points, (blob % 7).astype("float32")

    return Labelled(*drawn(rows), *drawn(2000))


def _digits(rows: int, seed: int) -> Labelled:
    """Return scikit-learn's 8 by 8 images of digits, split at random."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(images))
    images, digits = images.astype("float32")[order], digits.astype("float32")[order]
    return Labelled(images[:rows], digits[:rows], images[rows:], digits[rows:])


def _ours(**options: Any) -> Any:
    def contender(data: Labelled, seed: int) -> Fit:
        import faiss  # noqa: F401 - the model imports it when it is first needed

        from sagebrush.algorithms.knn.model import KNN

        model = KNN(_K, sample_size=len(data.rows), seed=seed, threads=THREADS, **options)
        return lambda: model.fit(data.rows, data.classes).predict(data.held_out)

    return contender


def _scikit_learn(data: Labelled, seed: int) -> Fit:  # noqa: ARG001
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(_K, n_jobs=THREADS)
    return lambda: model.fit(data.rows, data.classes).predict(data.held_out)


def _faiss(description: str) -> Any:
    def contender(data: Labelled, seed: int) -> Fit:  # noqa: ARG001
        import faiss

        faiss.omp_set_num_threads(THREADS)

        def answer() -> Any:
            lists = int(np.sqrt(len(data.rows)))
            made = description.format(lists=lists)
            index: Any = faiss.index_factory(data.rows.shape[1], made)
            index.train(data.rows)
            index.add(data.rows)
            if "IVF" in made:
                index.nprobe = 5
            places = index.search(data.held_out, _K)[1]
            votes = data.classes[places].astype(int)
            classes = votes.max() + 1
            counts = (votes[:, :, None] == np.arange(classes)).sum(axis=1)
            return counts.argmax(axis=1)

        return answer

    return contender


def _accuracy(found: Any, data: Labelled) -> float:
    return float((np.asarray(found) == data.truth).mean())


_EXACT = (
    Contender("sagebrush", _ours(), ours=True),
    Contender("sklearn KNeighborsClassifier", _scikit_learn),
    Contender("faiss Flat", _faiss("Flat")),
)

TASKS = (
    Task(
        name="knn",
        summary="10 neighbours of 2,000 rows among rows of 54 float32 features, exhaustive",
        data=_mixture,
        numbers_per_row=54,
        sizes=(10_000, 30_000, 80_000, 200_000),
        quality_rows=30_000,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=_EXACT,
        targets=(NoWorse(), Faster(1.0)),
    ),
    Task(
        name="knn-lists",
        summary="10 neighbours of 2,000 rows by inverted lists, 5 of them looked into",
        data=_mixture,
        numbers_per_row=54,
        sizes=(10_000, 30_000, 80_000, 200_000),
        quality_rows=30_000,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=(
            Contender("sagebrush", _ours(index_type="faiss.IVFFlat"), ours=True),
            Contender("faiss IVFFlat", _faiss("IVF{lists},Flat")),
        ),
        # The same library does the same.
        targets=(NoWorse(), Faster(0.8)),
    ),
    Task(
        name="knn-digits",
        summary="10 neighbours among 1,797 images of 64 pixels (real data)",
        data=_digits,
        numbers_per_row=64,
        sizes=(1_400,),
        quality_rows=1_400,
        quality=_ACCURACY,
        score=_accuracy,
        contenders=_EXACT,
        targets=(NoWorse(),),
        real_data=True,
    ),
)
