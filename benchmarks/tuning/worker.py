"""A measuring process: answers requests line by line, in the environment it was started in.

Importing a peer takes seconds, so that one process measures many runs.
"""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from typing import Any

from benchmarks.tuning.halving import halving
from benchmarks.tuning.race import PROBLEMS, race
from benchmarks.tuning.shortcuts import taken
from benchmarks.tuning.shortcuts.comparison import both_ways
from benchmarks.tuning.timing import timing


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one measurement."""
    seed, name = int(request["seed"]), str(request["contender"])
    if request["kind"] == "race":
        return _race(str(request["problem"]), name, int(request["at_once"]), seed)
    if request["kind"] == "both ways":
        return both_ways(str(request["problem"]), name, int(request["at_once"]))
    if request["kind"] == "timing":
        return timing(name, int(request["observations"]), seed)
    return halving(name, seed)


def _race(problem: str, contender: str, at_once: int, seed: int) -> dict[str, Any]:
    """Return a race's figures; without the times of asking where a shortcut was taken."""
    with taken(contender) as shortcut:
        figure = race(PROBLEMS[problem], contender, at_once, seed)
    return {"best": figure["best"]} if shortcut else figure


def main() -> None:
    """Answer until the input ends; only answers go to standard output."""
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        try:
            figure = answer(json.loads(line))
        except Exception:  # noqa: BLE001 - a peer's failure is a figure, too
            figure = {"error": traceback.format_exc()[-2000:]}
        answers.write(json.dumps(figure) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
