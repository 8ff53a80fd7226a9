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
from benchmarks.tuning.ranking import Curves, curves_of, standing

PASS, MISS, OPEN = "PASS", "MISS", "OPEN"
CHECKPOINTS = (20, 50, 100)
GROUPS = {"functions": False, "real trainings": True}
LEAST_SEEDS = 5
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


@dataclass(frozen=True)
class Duel:
    """Ours beside one rival, over every seed that both have run, be there more of them or fewer.

    ``ranks`` are ours and the rival's, ``behind`` the interval of the difference, ``least_seeds``
    how many seeds the problem has that has fewest.
    """

    rival: str
    ranks: tuple[float, float]
    behind: tuple[float, float]
    races: int
    least_seeds: int


def duels(plan: Plan, store: Store, real: bool, at_once: int) -> list[Duel]:
    """Return the duels with all rivals, the closest first; none with those that ran nothing."""
    found = []
    for rival in plan.contenders if OURS in plan.contenders else ():
        pair = Plan(plan.problems, (OURS, rival), store.last_seed, (at_once,))
        races = group_of(pair, store, real, at_once)
        if rival == OURS or not races:
            continue
        against = standing(races, OURS, CHECKPOINTS)
        ours, theirs = against.ranks.tolist()
        low, high = against.behind[1].tolist()
        least = min(len(each.seeds) for each in races)
        found.append(Duel(rival, (ours, theirs), (low, high), against.blocks, least))
    return sorted(found, key=lambda each: each.ranks[1])


def _ranks(plan: Plan, store: Store) -> Iterator[Verdict]:
    for at_once in plan.at_once:
        for name, real in GROUPS.items():
            place = "strictly first" if at_once > 1 else "first or tied for first"
            target = f"mean rank {place} on {name}, {at_once} at once"
            found = duels(plan, store, real, at_once)
            judged = [each for each in found if each.least_seeds >= LEAST_SEEDS]
            if judged:
                yield _rank_verdict(target, judged, at_once > 1)
            elif found:
                yield _too_few(_rank_verdict(target, found, at_once > 1), found[0].least_seeds)
            else:
                yield Verdict(target, OPEN, "not measured")


def _rank_verdict(target: str, found: list[Duel], strictly: bool) -> Verdict:
    met = all(low > 0.0 if strictly else high >= 0.0 for low, high in (d.behind for d in found))
    closest = found[0]
    low, high = closest.behind
    detail = (
        f"{closest.ranks[0]:.2f} to {closest.ranks[1]:.2f} against the closest of {len(found)}, "
        f"{closest.rival}; difference {low:+.2f} to {high:+.2f} (95 %), {closest.races} races"
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
    return verdict if len(seeds) >= LEAST_SEEDS else _too_few(verdict, len(seeds))
