"""What the figures say: qualities with their noise, ratios, growth, and whether targets are met."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.side_by_side.figures import Figure, Store, key_of
from benchmarks.side_by_side.running import FIRST_SEED, Selection
from benchmarks.side_by_side.task import Contender, Faster, NoWorse, Reaches, Target, Task

PASS, MISS, OPEN = "PASS", "MISS", "OPEN"
_CONFIDENCE = 0.95
# Two runs of the same program differ by as much.
_TIME_NOISE = 0.05


@dataclass(frozen=True)
class Verdict:
    """A target in words, PASS, MISS or OPEN (not measured), and the figures behind it."""

    target: str
    verdict: str
    detail: str


@dataclass(frozen=True)
class Results:
    """The measurements of one task."""

    task: Task
    store: Store
    selection: Selection

    def figure(self, contender: str, rows: int, seed: int = FIRST_SEED) -> Figure:
        """Return a measurement; empty where there is none."""
        return self.store.measurements.get(key_of(self.task.name, contender, rows, seed), {})

    def qualities(self, contender: str) -> dict[int, float]:
        """Return the quality for each seed that was measured."""
        rows = self.selection.quality_rows(self.task)
        seeds = range(FIRST_SEED, FIRST_SEED + self.selection.seeds(self.task))
        figures = {seed: self.figure(contender, rows, seed) for seed in seeds}
        return {seed: each["quality"] for seed, each in figures.items() if "quality" in each}

    def mean_quality(self, contender: str) -> float | None:
        """Return the mean over the seeds; None where nothing was measured."""
        found = self.qualities(contender)
        return statistics.fmean(found.values()) if found else None

    def growth(self, contender: str) -> float | None:
        """Return the exponent of time over rows; None with fewer than three sizes."""
        points = [(rows, self.figure(contender, rows)) for rows in self.selection.sizes(self.task)]
        timed = [(rows, each["seconds"]) for rows, each in points if "seconds" in each]
        if len(timed) < 3:
            return None
        rows, seconds = np.log(np.array(timed)).T
        return float(np.polyfit(rows, seconds, 1)[0])

    def as_good(self, contender: str, other: str) -> bool | None:
        """Return whether a contender is no worse than another within noise; None if unknown.

        Differences seed by seed; worse means that the one-sided 95 % interval of Student's t for
        their mean, widened by the task's tolerance, lies wholly on the bad side of zero.
        """
        mine, theirs = self.qualities(contender), self.qualities(other)
        seeds = sorted(mine.keys() & theirs.keys())
        if not seeds:
            return None
        sign = 1.0 if self.task.quality.higher_is_better else -1.0
        differences = [sign * (mine[seed] - theirs[seed]) for seed in seeds]
        margin = self.task.quality.tolerance * abs(statistics.fmean(theirs.values()))
        if len(seeds) > 1:
            error = statistics.stdev(differences) / len(seeds) ** 0.5
            margin += float(stats.t.ppf(_CONFIDENCE, len(seeds) - 1)) * error
        return statistics.fmean(differences) >= -margin

    def best_peer(self) -> Contender | None:
        """Return the peer of the best mean quality."""
        sign = 1.0 if self.task.quality.higher_is_better else -1.0
        known = [
            (sign * quality, peer)
            for peer in self.task.peers
            if (quality := self.mean_quality(peer.name)) is not None
        ]
        return max(known, key=lambda each: each[0])[1] if known else None

    def rival(self) -> Contender | None:
        """Return the fastest peer that is as good as ours within noise, or else the best one."""
        ours, rows = self.task.contenders[0].name, self.selection.sizes(self.task)[-1]
        equal = [peer for peer in self.task.peers if self.as_good(peer.name, ours)]
        timed = [peer for peer in equal if "seconds" in self.figure(peer.name, rows)]
        if timed:
            return min(timed, key=lambda each: self.figure(each.name, rows)["seconds"])
        return self.best_peer() if not equal else equal[0]


def judge(results: Results) -> list[Verdict]:
    """Return a verdict for each target of the task."""
    return [_verdict(target, results) for target in results.task.targets]


def _verdict(target: Target, results: Results) -> Verdict:
    if isinstance(target, Faster):
        return _faster(target, results)
    if isinstance(target, NoWorse):
        return _no_worse(target, results)
    return _reaches(target, results)


def _faster(target: Faster, results: Results) -> Verdict:
    task, rows = results.task, results.selection.sizes(results.task)[-1]
    rival = results.rival() if target.than is None else task.contender(target.than)
    wanted = f"{target.times:g}x faster" if target.times != 1 else "no slower"
    text = f"{wanted} than {rival.name if rival else 'the best peer'}"
    text += f" for each of {target.models} models" if target.models > 1 else ""
    ours = results.figure(task.contenders[0].name, rows)
    theirs = results.figure(rival.name, rows) if rival else {}
    seconds = theirs.get("seconds", theirs.get("over_limit_s"))
    if "seconds" not in ours or seconds is None:
        return Verdict(text, OPEN, "not measured")
    ratio = seconds * target.models / ours["seconds"]
    bound = "more than " if "over_limit_s" in theirs else ""
    detail = f"{bound}{ratio:.2f}x at {rows:,} rows ({ours['seconds']:.3g} s)"
    met = ratio >= (target.times if target.times != 1 else 1 - _TIME_NOISE)
    return Verdict(text, PASS if met else (OPEN if bound else MISS), detail)


def _no_worse(target: NoWorse, results: Results) -> Verdict:
    task, ours = results.task, results.task.contenders[0].name
    best = results.best_peer() if target.than is None else task.contender(target.than)
    text = f"{task.quality.name} no worse than {best.name if best else 'the best peer'}"
    met = results.as_good(ours, best.name) if best else None
    if met is None or best is None:
        return Verdict(text, OPEN, "not measured")
    seeds = len(results.qualities(ours))
    detail = (
        f"{results.mean_quality(ours):.5g} against {results.mean_quality(best.name):.5g},"
        f" {seeds} seed{'s' if seeds > 1 else ''}"
    )
    return Verdict(text, PASS if met else MISS, detail)


def _reaches(target: Reaches, results: Results) -> Verdict:
    quality = results.task.quality
    found = results.mean_quality(results.task.contenders[0].name)
    text = (
        f"{quality.name} {'at least' if quality.higher_is_better else 'at most'} {target.value:g}"
    )
    if found is None:
        return Verdict(text, OPEN, "not measured")
    met = found >= target.value if quality.higher_is_better else found <= target.value
    return Verdict(text, PASS if met else MISS, f"{found:.5g}")
