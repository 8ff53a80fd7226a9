"""Measure the built-in algorithms beside what a user would pick instead.

Every measurement is a process of its own with two threads: wall and CPU time of fitting alone, peak
memory, and quality. Sizes grow to at least 10 million numbers; quality is compared over five seeds.
What has been measured is kept until the code changes, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from benchmarks.side_by_side.figures import Store
from benchmarks.side_by_side.judgement import MISS, Results, judge
from benchmarks.side_by_side.report import plot, summary, table
from benchmarks.side_by_side.running import Selection, folders, measure, tasks_of
from benchmarks.side_by_side.task import Task

_EXAMPLES = """examples:
  make bench-algorithms                                   everything: hours on two cores
  python -m benchmarks.side_by_side --only kmeans,pca     two algorithms, or single tasks by name
  python -m benchmarks.side_by_side --quick               two small sizes, two seeds: minutes
  python -m benchmarks.side_by_side --report              tables and plot again; no measuring
"""


def main() -> int:
    """Measure what was asked for, print and write the results; 1 if a target is missed."""
    parsed = _arguments()
    selection = Selection(2, 2) if parsed.quick else Selection()
    chosen = _chosen(parsed.only)
    path = parsed.json or Path("out/bench-algorithms.json")
    if parsed.quick and parsed.json is None:
        path = path.with_stem(f"{path.stem}-quick")
    store = Store.open(path)
    if parsed.fresh:
        names = {task.name for _, task in chosen}
        store.measurements = {
            key: each
            for key, each in store.measurements.items()
            if key.partition(" | ")[0] not in names
        }
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n")
    everything = [Results(task, store, selection) for _, task in chosen]
    for (folder, task), results in zip(chosen, everything, strict=True):
        if not parsed.report:
            measure(folder, task, store, selection)
        print(table(results), flush=True)
        store.tasks[task.name] = summary(results)
        store.save()
    plot(everything, path.with_suffix(".png"))
    missed = [
        f"{results.task.name}: {verdict.target}"
        for results in everything
        for verdict in judge(results)
        if verdict.verdict == MISS
    ]
    print(f"figures: {path}, plot: {path.with_suffix('.png')}")
    print("missed: " + "; ".join(missed) if missed else "every target that was measured is met")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        default="",
        help=f"algorithms or tasks, with commas between; {', '.join(folders())}",
    )
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes, two seeds")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured")
    parser.add_argument("--report", action="store_true", help="do not measure, only show")
    parser.add_argument(
        "--json", type=Path, help="where figures are kept (out/bench-algorithms[-quick].json)"
    )
    return parser.parse_args()


def _chosen(only: str) -> list[tuple[str, Task]]:
    """Return (algorithm's folder, task) for the names asked for; all without names."""
    wanted = {name.replace("-", "_") for name in only.split(",") if name}
    found, known = [], set()
    for folder in folders():
        for task in tasks_of(folder):
            names = {folder, task.name.replace("-", "_")}
            known |= names
            if not wanted or wanted & names:
                found.append((folder, task))
    if wanted - known:
        sys.exit(f"no algorithm or task is called {', '.join(sorted(wanted - known))}")
    return found


if __name__ == "__main__":
    sys.exit(main())
