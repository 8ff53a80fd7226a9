"""Runs the measurements of tasks one after the other, skipping what is known or hopeless."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import benchmarks.algorithm_tasks
from benchmarks import peers
from benchmarks.side_by_side.figures import Figure, Store, key_of, source_of
from benchmarks.side_by_side.task import Contender, Task

FIRST_SEED = 1
# Generating, importing and scoring, on top of the limit of the timed part.
_OVERHEAD_LIMIT_S = 600.0
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "SM_NUM_CPUS",
)


@dataclass(frozen=True)
class Selection:
    """How many sizes and seeds are measured at most: all of them, or the first few."""

    sizes_limit: int | None = None
    seeds_limit: int | None = None

    def sizes(self, task: Task) -> tuple[int, ...]:
        """Return the rows of a task that are measured, ascending."""
        return task.sizes[: self.sizes_limit]

    def seeds(self, task: Task) -> int:
        """Return how many seeds are measured on the rows where quality is compared."""
        return min(self.seeds_limit or task.seeds, task.seeds)

    def quality_rows(self, task: Task) -> int:
        """Return the rows on which quality is compared."""
        return min(task.quality_rows, self.sizes(task)[-1])

    def runs(self, task: Task) -> Iterator[tuple[int, int]]:
        """Yield (rows, seed), smaller sizes first."""
        for rows in sorted({*self.sizes(task), self.quality_rows(task)}):
            seeds = self.seeds(task) if rows == self.quality_rows(task) else 1
            for seed in range(FIRST_SEED, FIRST_SEED + seeds):
                yield rows, seed


def folders() -> list[str]:
    """Return the algorithms that have a file of tasks."""
    return sorted(each.name for each in pkgutil.iter_modules(benchmarks.algorithm_tasks.__path__))


def tasks_of(folder: str) -> tuple[Task, ...]:
    """Return the tasks in an algorithm's file."""
    tasks: tuple[Task, ...] = importlib.import_module(f"benchmarks.algorithm_tasks.{folder}").TASKS
    return tasks


def measure(folder: str, task: Task, store: Store, selection: Selection) -> None:
    """Measure what the store does not have yet, writing it after each measurement."""
    for rows, seed in selection.runs(task):
        for contender in task.contenders:
            key = key_of(task.name, contender.name, rows, seed)
            source = source_of(folder, contender.ours)
            known = store.measurements.get(key)
            if known and known["source"] == source and "error" not in known:
                continue
            if contender.max_rows is not None and rows > contender.max_rows:
                continue
            figure = _hopeless(task, contender, rows, source, store)
            if figure is None:
                figure = _measured(folder, task, contender, rows, seed)
                print(
                    f"   {task.name}, {rows:,} rows, seed {seed}: {contender.name} "
                    f"{described(figure)}",
                    flush=True,
                )
            store.measurements[key] = figure | {"source": source}
            store.save()


def described(figure: Figure) -> str:
    """Return a measurement in a few words."""
    if "error" in figure:
        return f"FAILED: {figure['error'].strip().splitlines()[-1][:200]}"
    if "over_limit_s" in figure:
        return f"> {figure['over_limit_s']:g} s"
    return f"{figure['seconds']:.3g} s, {figure['peak_mb']:.0f} MB, {figure['quality']:.5g}"


def _hopeless(
    task: Task, contender: Contender, rows: int, source: str, store: Store
) -> Figure | None:
    """Return what is known without measuring: a smaller size was beyond the limit already."""
    for smaller, seed in Selection().runs(task):
        known = store.measurements.get(key_of(task.name, contender.name, smaller, seed), {})
        if smaller <= rows and "over_limit_s" in known and known["source"] == source:
            return {"over_limit_s": known["over_limit_s"]}
    return None


def _measured(folder: str, task: Task, contender: Contender, rows: int, seed: int) -> Figure:
    command: list[str | Path] = [_python(contender), "-m", "benchmarks.side_by_side.measurement"]
    variables = dict.fromkeys(_THREAD_VARIABLES, str(benchmarks.algorithm_tasks.THREADS))
    numbers = (str(rows), str(seed), str(task.limit_s))
    child = subprocess.Popen(
        [*command, folder, task.name, contender.name, *numbers],
        env=os.environ | variables | {"PYTHONPATH": str(peers.ROOT), "PYTHONHASHSEED": "0"},
        cwd=peers.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            output, errors = child.communicate(timeout=task.limit_s + _OVERHEAD_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            return {"error": f"no answer after {task.limit_s + _OVERHEAD_LIMIT_S:g} s"}
        finally:
            child.kill()
    if child.returncode == -signal.SIGALRM:
        return {"over_limit_s": task.limit_s}
    if child.returncode != 0:
        return {"error": errors[-2000:].strip() or f"ended with {child.returncode}"}
    figure: Figure = json.loads(output)
    return figure


def _python(contender: Contender) -> Path:
    if not contender.environment:
        return Path(sys.executable)
    return peers.environment(contender.environment) / "python"
