"""The three algorithms beside scikit-learn and xgboost: time, memory and quality on growing data.

Each measurement is a process of its own, so that peak memory is its own; two threads at most.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_SIZES = (20_000, 60_000, 200_000)
_THREADS = "2"


def run() -> dict[str, Any]:
    """Measure every pair on every size and print the ratios."""
    results: dict[str, Any] = {}
    for task, (ours, *peers) in _TASKS.items():
        for rows in _SIZES:
            measured = {name: _measure(task, name, rows) for name in (ours, *peers)}
            results[f"{task}-{rows}"] = measured
            mine = measured[ours]
            print(f"   {task}, {rows} rows")
            for name, item in measured.items():
                ratio = item["seconds"] / mine["seconds"]
                print(
                    f"      {name:<28} {item['seconds']:6.2f} s ({ratio:4.1f} x)"
                    f"  {item['peak_mb']:5.0f} MB  {item['figure']} {item['quality']:.4f}"
                )
    return results


def _measure(task: str, name: str, rows: int) -> dict[str, Any]:
    environment = os.environ | {
        "OMP_NUM_THREADS": _THREADS,
        "OPENBLAS_NUM_THREADS": _THREADS,
    }
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.algorithm_run", task, name, str(rows)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"{task} {name} {rows}: {finished.stderr[-500:]}")
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer


_LINEAR = ("sagebrush 1 model", "sagebrush 32 models")
_TASKS = {
    "kmeans": ("sagebrush", "sklearn KMeans", "sklearn MiniBatchKMeans"),
    "linear-binary": (
        "sagebrush 32 models",
        "sagebrush 1 model",
        "sklearn SGD",
        "sklearn LogisticRegression",
    ),
    "linear-regression": (
        "sagebrush 32 models",
        "sagebrush 1 model",
        "sklearn SGD",
        "sklearn Ridge",
    ),
    "xgboost": ("sagebrush", "xgboost"),
}
