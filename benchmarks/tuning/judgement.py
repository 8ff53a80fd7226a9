"""Whether the tuner's targets are met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.tuning.campaign import HALVING, TIMING, Measurement, Plan, Store
from benchmarks.tuning.contenders import OURS
from benchmarks.tuning.halving import FULL, HYPERBAND
from benchmarks.tuning.problems import REAL
from benchmarks.tuning.race import PROBLEMS
from benchmarks.tuning.ranking import Curves, Standing, curves_of, standing

PASS, MISS, OPEN = "PASS", "MISS", "OPEN"
CHECKPOINTS = (20, 50, 100)
GROUPS = {"functions": False, "real trainings": True}
_LEAST_SEEDS = 5
_ASK_LIMITS_MS = {100: 50.0, 1000: 500.0}
# (problem, evaluations): the least median regret of a peer when the target was set.
_ANCHORS = {("Branin", 40): 3e-5, ("Hartmann-6", 80): 1.9e-4, ("Ackley-5", 80): 3.32}


@dataclass(frozen=True)
class Verdict:
    """A target in words, PASS, MISS or OPEN (not measured), and the figures behind it."""

    target: str
    verdict: str
    detail: str


def group_of(plan: Plan, store: Store, real: bool, at_once: int) -> list[Curves]:
    """Return the races on functions, or on real trainings, that are complete for some seed."""
    names = [each for each in plan.problems if (PROBLEMS[each].kind == REAL) == real]
    found = (curves_of(plan, store, name, at_once) for name in names)
    return [each for each in found if each is not None]


def judge(plan: Plan, store: Store) -> list[Verdict]:
    """Return a verdict for each target."""
    return [*_ranks(plan, store), *_anchors(plan, store), *_times(store), _halving(plan, store)]


def _ranks(plan: Plan, store: Store) -> Iterator[Verdict]:
    for at_once in plan.at_once:
        for name, real in GROUPS.items():
            place = "strictly first" if at_once > 1 else "first or tied for first"
            target = f"mean rank {place} on {name}, {at_once} at once"
            races = group_of(plan, store, real, at_once)
            if not races or len(plan.contenders) < 2 or OURS not in plan.contenders:
                yield Verdict(target, OPEN, "not measured")
                continue
            least = min(len(each.seeds) for each in races)
            verdict = _rank_verdict(target, standing(races, OURS, CHECKPOINTS), at_once > 1)
            yield verdict if least >= _LEAST_SEEDS else _too_few(verdict, least)


def _rank_verdict(target: str, found: Standing, strictly: bool) -> Verdict:
    first = found.contenders.index(OURS)
    others = [index for index in range(len(found.contenders)) if index != first]
    rival = min(others, key=lambda index: found.ranks[index])
    low, high = found.behind[rival]
    lows, highs = found.behind[others].T
    met = bool((lows > 0.0).all() if strictly else (highs >= 0.0).all())
    detail = (
        f"{found.ranks[first]:.2f} against {found.ranks[rival]:.2f} of {found.contenders[rival]}; "
        f"difference {low:+.2f} to {high:+.2f} (95 %), {found.blocks} races"
    )
    return Verdict(target, PASS if met else MISS, detail)


def _too_few(verdict: Verdict, seeds: int) -> Verdict:
    """Return the figures without a conclusion: resampling so few seeds shows no doubt."""
    return Verdict(verdict.target, OPEN, f"only {seeds} seeds yet; {verdict.detail}")


def _anchors(plan: Plan, store: Store) -> Iterator[Verdict]:
    alone = Plan(plan.problems, (OURS,), plan.seeds, plan.at_once)
    for (problem, evaluations), anchor in _ANCHORS.items():
        target = f"median regret on {problem} after {evaluations} at most {anchor:g}"
        races = curves_of(alone, store, problem, 1)
        if races is None:
            yield Verdict(target, OPEN, "not measured")
            continue
        low, middle, high = np.quantile(races.at(evaluations)[0], [0.25, 0.5, 0.75])
        detail = f"{middle:.3g} ({low:.2g} to {high:.2g}), {len(races.seeds)} seeds"
        yield Verdict(target, PASS if middle <= anchor else MISS, detail)


def _times(store: Store) -> Iterator[Verdict]:
    for observations, limit_ms in _ASK_LIMITS_MS.items():
        target = f"a suggestion after {observations} observations under {limit_ms:g} ms"
        figure = store.figure(Measurement(TIMING, OURS, 1, observations=observations))
        if figure is None or "ask_ms" not in figure:
            yield Verdict(target, OPEN, "not measured")
            continue
        met = figure["ask_ms"] < limit_ms
        yield Verdict(target, PASS if met else MISS, f"{figure['ask_ms']:.0f} ms")


def halving_losses(plan: Plan, store: Store, name: str) -> dict[int, float]:
    """Return, seed by seed, the least loss at the whole cost."""
    seeds = range(1, plan.seeds + 1)
    figures = {seed: store.figure(Measurement(HALVING, name, seed)) for seed in seeds}
    return {
        seed: float(each["best"][-1])
        for seed, each in figures.items()
        if each is not None and "best" in each
    }


def _halving(plan: Plan, store: Store) -> Verdict:
    target = f"{HYPERBAND} better than {FULL} at equal cost"
    ours, full = halving_losses(plan, store, HYPERBAND), halving_losses(plan, store, FULL)
    seeds = sorted(ours.keys() & full.keys())
    if not seeds:
        return Verdict(target, OPEN, "not measured")
    gains = np.array([full[seed] - ours[seed] for seed in seeds])
    drawn = np.random.default_rng(0).integers(0, len(seeds), (4000, len(seeds)))
    low, high = np.quantile(gains[drawn].mean(axis=1), [0.025, 0.975])
    detail = (
        f"mean loss lower by {gains.mean():.4f} ({low:.4f} to {high:.4f}), {len(seeds)} seeds; "
        f"better in {int((gains > 0).sum())}, worse in {int((gains < 0).sum())}"
    )
    verdict = Verdict(target, PASS if low > 0 else MISS, detail)
    return verdict if len(seeds) >= _LEAST_SEEDS else _too_few(verdict, len(seeds))
