"""What there is to measure, what has been measured, and measuring the difference."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.tuning.contenders import CONTENDERS, OURS, contender
from benchmarks.tuning.halving import HYPERBAND, SCHEDULERS
from benchmarks.tuning.race import PROBLEMS
from benchmarks.tuning.shortcuts import CONTENDERS as CONTENDERS_WITH_SHORTCUTS
from benchmarks.tuning.shortcuts.comparison import PROBLEM_NAMES
from benchmarks.tuning.timing import OBSERVATIONS

RACE, HALVING, TIMING, BOTH_WAYS = "race", "halving", "timing", "both ways"
_FOLDER = peers.ROOT / "benchmarks" / "tuning"
_LIBRARY = peers.ROOT / "src" / "sagebrush" / "tuning"
_BAYESIAN = (
    "acquisition",
    "bayesian",
    "encoding",
    "gaussian_process",
    "maximisation",
    "outputs",
    "preference",
    "slice_sampling",
    "spaces",
)
# For each kind: what of this folder a figure depends on, and, for ours, what of the library.
_SOURCES = {
    RACE: (("problems", "trainings", "race", "contenders"), _BAYESIAN),
    TIMING: (("timing", "contenders"), _BAYESIAN),
    HALVING: (("halving", "trainings"), ("successive_halving", "random_search", "spaces")),
}
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
Figure = dict[str, Any]


@dataclass(frozen=True)
class Measurement:
    """One thing to measure; ``problem``, ``at_once`` and ``observations`` where they apply."""

    kind: str
    contender: str
    seed: int
    problem: str = ""
    at_once: int = 0
    observations: int = 0

    @property
    def key(self) -> str:
        """Return the name under which its figure is kept."""
        return " | ".join(str(each) for each in asdict(self).values())

    @property
    def environment(self) -> str:
        """Return which peers' environment it runs in; empty for our own."""
        if self.kind == HALVING:
            return SCHEDULERS[self.contender][0]
        return contender(self.contender).environment


@dataclass(frozen=True)
class Plan:
    """What is measured: names of problems and contenders, how many seeds and trials at once."""

    problems: tuple[str, ...] = tuple(PROBLEMS)
    contenders: tuple[str, ...] = tuple(each.name for each in CONTENDERS)
    seeds: int = 20
    at_once: tuple[int, ...] = (1, 4)

    def measurements(self) -> Iterator[Measurement]:
        """Yield all of it, seed by seed, so that a run that is cut short covers every problem."""
        for seed in range(1, self.seeds + 1):
            for name in SCHEDULERS:
                yield Measurement(HALVING, name, seed)
            if seed == 1:
                for name in self.contenders:
                    for observations in OBSERVATIONS:
                        yield Measurement(TIMING, name, seed, observations=observations)
            for problem in self.problems:
                for at_once in self.at_once:
                    for name in self.contenders:
                        yield Measurement(RACE, name, seed, problem, at_once)


@dataclass
class Store:
    """The figures in a file with a line for each, the last one for a measurement counting."""

    path: Path
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Return what `path` keeps; nothing where it does not exist."""
        store = cls(path)
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                kept = json.loads(line)
                store.figures[kept.pop("key")] = kept
        return store

    def keep(self, measurement: Measurement, figure: Figure) -> None:
        """Add a figure, so that an interrupted run can go on after it."""
        self.figures[measurement.key] = figure
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"key": measurement.key, **figure}) + "\n")

    @property
    def last_seed(self) -> int:
        """Return the highest seed that anything was measured with; 0 where nothing was."""
        return max((int(key.split(" | ")[2]) for key in self.figures), default=0)

    def figure(self, measurement: Measurement) -> Figure | None:
        """Return a figure that is still true of the code; None if there is none."""
        found = self.figures.get(measurement.key)
        if found is None or found["source"] != source_of(measurement):
            return None
        return found


def source_of(measurement: Measurement) -> str:
    """Return a digest of the files that a figure depends on: another one makes it stale."""
    return _digest(measurement.kind, measurement.contender in (OURS, HYPERBAND))


@lru_cache
def _digest(kind: str, ours: bool) -> str:
    measured_by, library = _SOURCES[kind]
    paths = [_FOLDER / f"{name}.py" for name in measured_by]
    if ours:
        paths += [_LIBRARY / f"{name}.py" for name in library]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


class Worker:
    """A measuring process in one environment, started when it is first needed."""

    def __init__(self, environment: str) -> None:
        python = peers.environment(environment) / "python" if environment else sys.executable
        search_path = os.pathsep.join([str(peers.ROOT), str(peers.ROOT / "src")])
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.tuning.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=peers.ROOT,
            env=os.environ | _ONE_THREAD | {"PYTHONPATH": search_path, "PYTHONHASHSEED": "0"},
        )

    def ask(self, measurement: Measurement) -> Figure:
        """Return the figure of a measurement, or why there is none under ``error``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(measurement)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            return {"error": f"the process ended with {self._process.wait()}"}
        figure: Figure = json.loads(line)
        return figure

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def measure(plan: Plan, store: Store) -> None:
    """Measure what the store does not have yet, keeping each figure at once."""
    missing = [each for each in plan.measurements() if store.figure(each) is None]
    workers: dict[str, Worker] = {}
    try:
        for number, measurement in enumerate(missing, 1):
            name = measurement.environment
            if name not in workers:
                workers[name] = Worker(name)
            figure = workers[name].ask(measurement)
            store.keep(measurement, {**figure, "source": source_of(measurement)})
            print(f"   {number}/{len(missing)} {_described(measurement, figure)}", flush=True)
    finally:
        for worker in workers.values():
            worker.close()


def check_shortcuts() -> bool:
    """Race with and without each shortcut, saying what came out; False where they differ."""
    worker = Worker(contender(CONTENDERS_WITH_SHORTCUTS[0]).environment)
    agreed = True
    try:
        for name in CONTENDERS_WITH_SHORTCUTS:
            for problem in PROBLEM_NAMES:
                for at_once in (1, 4):
                    asked = Measurement(BOTH_WAYS, name, 0, problem, at_once)
                    found = worker.ask(asked)
                    agreed &= found.get("same", False)
                    print(
                        f"   {name}, {problem}, {at_once} at once: {_both_ways(found)}", flush=True
                    )
    finally:
        worker.close()
    return agreed


def _both_ways(found: Figure) -> str:
    if "error" in found:
        return f"FAILED: {found['error'].strip().splitlines()[-1][:200]}"
    if not found["shortcut"]:
        return "no shortcut for the versions installed"
    own, short = found["seconds"]
    return f"{'the same' if found['same'] else 'DIFFERENT'}, {own:.1f} s and {short:.1f} s"


def _described(measurement: Measurement, figure: Figure) -> str:
    what = ", ".join(str(each) for each in asdict(measurement).values() if each)
    if "error" in figure:
        return f"{what}: FAILED: {figure['error'].strip().splitlines()[-1][:200]}"
    best = f" {figure['best'][-1]:.4g}" if "best" in figure else ""
    time = f" {figure['ask_ms']:.3g} ms" if "ask_ms" in figure else ""
    return f"{what}:{best}{time}"
