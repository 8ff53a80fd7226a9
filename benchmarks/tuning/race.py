"""One run of one contender on one problem, with some trials at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.tuning.contenders import contender
from benchmarks.tuning.problems import FUNCTIONS, Problem
from benchmarks.tuning.trainings import TRAININGS

PROBLEMS = {each.name: each for each in (*FUNCTIONS, *TRAININGS)}
_NOISE_STREAM = 1000


def race(problem: Problem, name: str, at_once: int, seed: int) -> dict[str, Any]:
    """Return after each evaluation the true value of the best observed, and what asking took.

    The oldest of the pending trials ends first. With noise the best observed one counts, as a
    tuning job reports it, with its value without noise.
    """
    search = contender(name).start(problem.space, seed, at_once, problem.noise_sd > 0)
    random = np.random.default_rng([_NOISE_STREAM, seed])
    pending: list[tuple[Any, Any]] = []
    observed: list[float] = []
    true: list[float] = []
    best: list[float] = []
    asking_s = asking_cpu_s = 0.0
    while len(true) < problem.evaluations:
        while len(pending) < at_once and len(pending) + len(true) < problem.evaluations:
            started, started_cpu = time.perf_counter(), time.process_time()
            pending.append(search.ask())
            asking_s += time.perf_counter() - started
            asking_cpu_s += time.process_time() - started_cpu
        handle, configuration = pending.pop(0)
        ordered = {each.name: configuration[each.name] for each in problem.space.parameters}
        true.append(problem.evaluate(ordered))
        observed.append(true[-1] + problem.noise_sd * float(random.normal()))
        search.tell(handle, observed[-1])
        best.append(true[int(np.argmin(observed))])
    return {
        "best": best,
        "ask_ms": 1000 * asking_s / problem.evaluations,
        "ask_cpu_ms": 1000 * asking_cpu_s / problem.evaluations,
    }
