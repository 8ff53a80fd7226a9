"""Three algorithms beside their peers: the smaller sizes of `make bench-algorithms`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.side_by_side.figures import Store
from benchmarks.side_by_side.judgement import Results
from benchmarks.side_by_side.report import table
from benchmarks.side_by_side.running import Selection, measure, tasks_of

_FOLDERS = ("kmeans", "linear_learner", "xgboost")
_SELECTION = Selection(sizes_limit=3, seeds_limit=1)


def run() -> dict[str, Any]:
    """Measure each task with generated data anew, one seed, and print the ratios."""
    results: dict[str, Any] = {}
    # A name of its own: what `make bench-algorithms` has measured may be hours of work.
    path = Path("out/bench-algorithms-short.json")
    path.unlink(missing_ok=True)
    store = Store.open(path)
    for folder in _FOLDERS:
        for task in tasks_of(folder):
            if task.real_data:
                continue
            measure(folder, task, store, _SELECTION)
            measured = Results(task, store, _SELECTION)
            print(table(measured))
            for rows in _SELECTION.sizes(task):
                results[f"{task.name}-{rows}"] = _row(measured, rows)
    return results


def _row(measured: Results, rows: int) -> dict[str, Any]:
    """Return the figures on one size; who failed or took too long is left out."""
    found = {each.name: measured.figure(each.name, rows) for each in measured.task.contenders}
    ours = measured.task.contenders[0].name
    if "seconds" not in found[ours]:
        raise RuntimeError(f"{measured.task.name}, {rows} rows: {found[ours]}")
    return {
        name: {
            "seconds": figure["seconds"],
            "peak_mb": figure["peak_mb"],
            "figure": measured.task.quality.name,
            "quality": figure["quality"],
        }
        for name, figure in found.items()
        if "seconds" in figure
    }
