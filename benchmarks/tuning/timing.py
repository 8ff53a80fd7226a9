"""How long a suggestion takes with so many observations behind it."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

from benchmarks.tuning.contenders import contender
from benchmarks.tuning.problems import FUNCTIONS

OBSERVATIONS = (10, 100, 1000)
_REPEATS = 12


def timing(name: str, observations: int, seed: int) -> dict[str, Any]:
    """Return the median wall and CPU milliseconds of a suggestion on Hartmann-6, and the longest.

    The first suggestion, which may set up what later ones use again, is not counted, as in a
    tuning job. The observed configurations are those that the contender is told, not its own.
    """
    problem = next(each for each in FUNCTIONS if each.name == "Hartmann-6")
    search = contender(name).start(problem.space, seed, 1, False)
    random = np.random.default_rng(seed)
    places = random.random((observations, len(problem.space.parameters))).tolist()
    known = [problem.space.from_unit(place) for place in places]
    search.teach([(each, problem.evaluate(each)) for each in known])
    wall_ms, cpu_ms = [], []
    for _ in range(_REPEATS + 1):
        started, started_cpu = time.perf_counter(), time.process_time()
        handle, configuration = search.ask()
        wall_ms.append(1000 * (time.perf_counter() - started))
        cpu_ms.append(1000 * (time.process_time() - started_cpu))
        search.tell(handle, problem.evaluate(dict(configuration)))
    return {
        "ask_ms": median(wall_ms[1:]),
        "ask_cpu_ms": median(cpu_ms[1:]),
        "longest_ms": max(wall_ms[1:]),
    }
