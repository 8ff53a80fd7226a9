"""Hyperband without waiting: asynchronous successive halving over several brackets.

Li et al., *A System for Massively Parallel Hyperparameter Tuning*, 2020 (the stopping variant): a
trial that reaches a rung goes on if it is among the best 1/eta of all that have reached it so far.
A bracket is how late its first rung comes; trials are spread over brackets as Hyperband does (Li et
al., 2018), so that slow starters have a chance.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

REDUCTION = 3

Decision = Literal["continue", "stop"]


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


def decide(
    brackets: Brackets,
    bracket: int,
    curve: Sequence[float],
    others: Mapping[int, Sequence[float]],
) -> Decision:
    """Whether a trial goes on after what it reached; less is better.

    ``curve`` is its objective after each unit of resource. ``others`` holds, for each rung, the
    objectives with which the other trials of its bracket reached it.
    """
    age = len(curve)
    if age >= brackets.maximum:
        return "stop"
    if age not in brackets.rungs(bracket):
        return "continue"
    reached = sorted([*others.get(age, ()), curve[-1]])
    promoted = max(1, math.ceil(len(reached) / REDUCTION))
    # The first ones at a rung cannot be compared with anything.
    if len(reached) < REDUCTION:
        return "continue"
    return "continue" if curve[-1] <= reached[promoted - 1] else "stop"
