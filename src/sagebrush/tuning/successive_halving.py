"""Hyperband without waiting: asynchronous successive halving over several brackets.

Li et al., *A System for Massively Parallel Hyperparameter Tuning*, 2020 (the stopping variant): a
trial that reaches a rung goes on if it is among the best 1/eta of all that have reached it so far.
A bracket is how late its first rung comes; trials are spread over brackets as Hyperband does (Li et
al., 2018), so that slow starters have a chance.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

REDUCTION = 3


@dataclass(frozen=True, slots=True)
class Brackets:
    """The rungs of each bracket, in units of resource; a trial never runs beyond ``maximum``."""

    minimum: int
    maximum: int

    @property
    def count(self) -> int:
        """How many brackets there are: one for each first rung below the maximum."""
        return len(self._levels)

    @property
    def _levels(self) -> list[int]:
        levels = []
        level = max(self.minimum, 1)
        while level < self.maximum:
            levels.append(level)
            level *= REDUCTION
        return levels or [self.maximum]

    def rungs(self, bracket: int) -> list[int]:
        """Where trials of the bracket are compared, without the maximum itself."""
        return [level for level in self._levels[bracket:] if level < self.maximum]

    def bracket_of(self, seed: int, index: int) -> int:
        """The bracket of the trial of that number, drawn with Hyperband's shares."""
        deepest = self.count - 1
        shares = [
            (deepest + 1) / (deepest - bracket + 1) * REDUCTION ** (deepest - bracket)
            for bracket in range(self.count)
        ]
        drawn = random.Random(f"bracket/{seed}/{index}").random()  # noqa: S311 - no secret
        total, bounds = 0.0, []
        for share in shares:
            total += share
            bounds.append(total)
        return min(bisect_right(bounds, drawn * total), deepest)


def stopping_rung(
    brackets: Brackets,
    bracket: int,
    curve: Sequence[float],
    seen: int,
    others: Sequence[Sequence[float]],
) -> int | None:
    """The rung at which a trial ends, of those it reached since ``seen`` units of resource.

    ``curve`` is its objective after each unit, less being better; ``others`` are the curves of the
    other trials of its bracket, each no longer than the rung at which it was ended. Rungs decide in
    their order. None if the trial goes on.
    """
    for rung in brackets.rungs(bracket):
        if seen < rung <= len(curve) and _is_beaten(curve, rung, others):
            return rung
    return None


def _is_beaten(curve: Sequence[float], rung: int, others: Sequence[Sequence[float]]) -> bool:
    reached = [each[rung - 1] for each in others if len(each) >= rung]
    # The first ones at a rung cannot be compared with anything.
    if len(reached) + 1 < REDUCTION:
        return False
    promoted = math.ceil((len(reached) + 1) / REDUCTION)
    return sum(value < curve[rung - 1] for value in reached) >= promoted
