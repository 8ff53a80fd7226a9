"""One measurement in a process of its own.

`python -m benchmarks.side_by_side.measurement FOLDER TASK CONTENDER ROWS SEED LIMIT_S` prints JSON.
Runs in the environments of peers too. A run beyond its limit ends the process by SIGALRM.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.task import Task

_CORES = 2


def main() -> None:
    folder, name, contender_name, rows, seed, limit_s = sys.argv[1:7]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    task = find(folder, name)
    contender = task.contender(contender_name)
    # What contenders print, in C code too, must not be taken for the answer.
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    data = task.data(int(rows), int(seed))
    fit = contender.prepare(data, int(seed))
    model, figures = _timed(fit, float(limit_s))
    score = contender.score or task.score
    figures["quality"] = float(score(model, data))
    print(json.dumps(figures), file=answer_to, flush=True)


def find(folder: str, name: str) -> Task:
    """Return a task by its file and name; KeyError where there is none."""
    module = importlib.import_module(f"benchmarks.algorithm_tasks.{folder}")
    tasks: tuple[Task, ...] = module.TASKS
    return {task.name: task for task in tasks}[name]


def _timed(fit: Callable[[], Any], limit_s: float) -> tuple[Any, dict[str, float]]:
    """Run what is timed; return its result and seconds, CPU seconds, peak and extra memory."""
    gc.collect()
    # Forgets the peak of generating data, so that the peak is that of the run (proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    before_mb = _memory_mb("VmRSS")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    cpu_s, started = _cpu_s(), time.perf_counter()
    model = fit()
    seconds = time.perf_counter() - started
    cpu_s = _cpu_s() - cpu_s
    signal.setitimer(signal.ITIMER_REAL, 0)
    peak_mb = _memory_mb("VmHWM")
    return model, {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "peak_mb": peak_mb,
        "extra_mb": max(0.0, peak_mb - before_mb),
    }


def _cpu_s() -> float:
    """Return CPU seconds of this process, its threads, and processes that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _memory_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"this system does not tell a process its {field}")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
