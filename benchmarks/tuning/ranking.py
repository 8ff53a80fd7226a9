"""Who is ahead: regrets, mean ranks, and whether a difference would survive other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.tuning.campaign import RACE, Measurement, Plan, Store
from benchmarks.tuning.race import PROBLEMS

Floats = NDArray[np.float64]
_RESAMPLES = 4000


@dataclass(frozen=True)
class Curves:
    """The races on one problem with so many trials at once: regrets (contenders, seeds, trials).

    Only seeds that every contender has run count; a run that failed has regret infinity.
    """

    problem: str
    at_once: int
    contenders: tuple[str, ...]
    seeds: tuple[int, ...]
    regrets: Floats

    def at(self, evaluations: int) -> Floats:
        """Return the regrets (contenders, seeds) after so many evaluations."""
        return self.regrets[:, :, evaluations - 1]


def curves_of(plan: Plan, store: Store, problem: str, at_once: int) -> Curves | None:
    """Return the races on a problem; None where no seed is complete.

    Where the minimum is unknown the least value that anybody found stands in for it.
    """
    seeds = []
    rows: list[list[list[float]]] = []
    length = PROBLEMS[problem].evaluations
    for seed in range(1, plan.seeds + 1):
        wanted = [Measurement(RACE, name, seed, problem, at_once) for name in plan.contenders]
        figures = [store.figure(each) for each in wanted]
        if any(each is None for each in figures):
            continue
        found = [each for each in figures if each is not None]
        rows.append([each.get("best", [float("inf")] * length) for each in found])
        seeds.append(seed)
    if not seeds:
        return None
    values = np.array(rows).transpose(1, 0, 2)
    minimum = PROBLEMS[problem].minimum
    least = least_known(store, problem) if minimum is None else minimum
    return Curves(problem, at_once, plan.contenders, tuple(seeds), values - least)


def least_known(store: Store, problem: str) -> float:
    """Return the least value that any run on the problem found."""
    marker = f" | {problem} | "
    found = (each for key, each in store.figures.items() if marker in key and "best" in each)
    return float(min(min(each["best"]) for each in found))


@dataclass(frozen=True)
class Standing:
    """Contenders' mean ranks (1 is best) on some problems, and how sure the differences are.

    ``behind`` is, for each contender, the interval of its mean rank less that of ours in which 95 %
    of the resamplings of seeds lie: above 0 it is behind, below 0 ahead, else tied.
    """

    contenders: tuple[str, ...]
    ranks: Floats
    behind: Floats
    blocks: int


def standing(everything: Sequence[Curves], ours: str, checkpoints: Sequence[int]) -> Standing:
    """Return mean ranks over problems, seeds and those numbers of evaluations; ties share ranks.

    Every problem counts alike. Seeds are resampled within each problem.
    """
    contenders = everything[0].contenders
    first = contenders.index(ours)
    random = np.random.default_rng(0)
    means, samples = [], []
    for curves in everything:
        reached = [each for each in checkpoints if each <= curves.regrets.shape[2]]
        # Contenders by seeds.
        ranks = np.mean([rankdata(curves.at(each), axis=0) for each in reached], axis=0)
        means.append(ranks.mean(axis=1))
        drawn = random.integers(0, ranks.shape[1], (_RESAMPLES, ranks.shape[1]))
        samples.append(ranks[:, drawn].mean(axis=2))
    resampled = np.mean(samples, axis=0)
    ends = np.quantile(resampled - resampled[first], [0.025, 0.975], axis=1)
    blocks = sum(len(curves.seeds) for curves in everything)
    return Standing(contenders, np.mean(means, axis=0), ends.T, blocks)
