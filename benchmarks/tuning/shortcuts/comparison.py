"""Whether a contender with its shortcut finds what it finds without."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.tuning.race import PROBLEMS, race
from benchmarks.tuning.shortcuts import taken

PROBLEM_NAMES = ("Branin", "Hartmann-6", "booster-like", "XGBoost wine")
_EVALUATIONS = 40
_SEED = 3


def both_ways(problem: str, contender: str, at_once: int) -> dict[str, Any]:
    """Return whether there is a shortcut, whether all values are the same, and seconds each way."""
    own = _run(problem, contender, at_once)
    with taken(contender) as shortcut:
        short = _run(problem, contender, at_once)
    return {"shortcut": shortcut, "same": own[0] == short[0], "seconds": [own[1], short[1]]}


def _run(problem: str, contender: str, at_once: int) -> tuple[list[float], float]:
    # CQR and BORE draw from numpy's global state, BoTorch from a seed of its own.
    np.random.seed(_SEED)  # noqa: NPY002
    started = time.perf_counter()
    found = race(replace(PROBLEMS[problem], evaluations=_EVALUATIONS), contender, at_once, _SEED)
    return found["best"], time.perf_counter() - started
