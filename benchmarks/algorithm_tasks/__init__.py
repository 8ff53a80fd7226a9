"""What `make bench-algorithms` measures: a file per algorithm, `<folder>.py`, with its `TASKS`.

A file looks like this (`kmeans.py` is a whole one):

    from benchmarks.algorithm_tasks import PEERS, Contender, Faster, NoWorse, Quality, Task

    def _data(rows: int, seed: int) -> Data: ...          # numpy; truth and held-out rows inside
    def _ours(data: Data, seed: int) -> Callable[[], Any]:
        from sagebrush.algorithms.pca.model import PCA    # imports are not timed
        model = PCA(num_components=10, seed=seed, threads=THREADS)
        return lambda: model.fit(data.rows)               # only this call is timed
    def _error(model: Any, data: Data) -> float: ...      # judged on data.held_out

    TASKS = (
        Task(
            name="pca-low-rank",
            summary="10 components of 100 float32 features, rank 10 and noise",
            data=_data,
            numbers_per_row=100,
            sizes=(3_000, 10_000, 30_000, 100_000),     # 4 or more; 10 million numbers or more
            quality_rows=10_000,                        # one of them, with 5 seeds
            quality=Quality("reconstruction MSE", higher_is_better=False, tolerance=1e-3),
            score=_error,
            contenders=(
                Contender("sagebrush", _ours, ours=True),
                Contender("sklearn PCA", _sklearn),
                Contender("some library", _other, environment=PEERS),
            ),
            targets=(NoWorse(), Faster(2.0)),             # default: NoWorse(), Faster(1.0)
        ),
    )

Rules:

* Every measurement is a process of its own on at most two cores; the environment says two threads
  (`THREADS`) to OpenMP and BLAS. Tell it explicitly to contenders that do not look there.
* The file is imported in .venv and in `.envs/peer-algorithms` (gensim, fastText, rrcf, tomotopy,
  scikit-learn; add a line to `requirements.txt` for more), so `sagebrush`, and everything else but
  numpy and scipy, is imported inside functions.
* Seeds change data and contenders alike; contenders are compared seed by seed.
* Real data: a further Task with `real_data=True` and one size; the seed draws the split.
* Peak memory is that of the timed part: the process's peak then, and how much of it came on top of
  interpreter, libraries and data (`extra_mb`). Generating and scoring are not counted.
* Contenders get what a user would give them: sensible settings, not the worst ones.

Try yours with `.venv/bin/python -m benchmarks.side_by_side --only <folder> --quick`, which takes
the two smallest sizes and two seeds; `--help` tells the rest. Measured figures are kept in
`out/bench-algorithms.json` until the task's file, or the algorithm's folder, changes.
"""

from __future__ import annotations

from benchmarks.side_by_side.task import (
    ISSUE_TARGETS,
    PEERS,
    Contender,
    Faster,
    Fit,
    NoWorse,
    Quality,
    Reaches,
    Target,
    Task,
)

THREADS = 2

__all__ = [
    "ISSUE_TARGETS",
    "PEERS",
    "THREADS",
    "Contender",
    "Faster",
    "Fit",
    "NoWorse",
    "Quality",
    "Reaches",
    "Target",
    "Task",
]
