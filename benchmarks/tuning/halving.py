"""Hyperband beside training everything to the end, at the same cost in rounds of boosting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from benchmarks.tuning.contenders import syne_tune_domain
from benchmarks.tuning.trainings import BINARY, TREES, boosted
from sagebrush.tuning.random_search import random_configuration
from sagebrush.tuning.spaces import Configuration
from sagebrush.tuning.successive_halving import Brackets, stopping_rung

MOST_ROUNDS = 81
FULL_TRAININGS = 20
_AT_ONCE = 4
_LEAST_ROUNDS = 1
BRACKETS = Brackets(_LEAST_ROUNDS, MOST_ROUNDS)
HYPERBAND, FULL, ASHA = "Hyperband", "full training", "syne-tune ASHA"


@dataclass
class Trial:
    """A configuration in training: its whole curve, and how far it has come."""

    number: int
    configuration: Configuration
    losses: list[float]
    age: int = 0
    bracket: int = 0

    @property
    def curve(self) -> list[float]:
        """Return the losses so far."""
        return self.losses[: self.age]


class Scheduler(Protocol):
    """Draws configurations and says after each round which trials end."""

    def draw(self, number: int) -> Configuration:
        """Return the configuration of a new trial."""

    def ends(self, trial: Trial) -> bool:
        """Return whether the trial ends after the round it just did."""


@dataclass
class _Full:
    seed: int

    def draw(self, number: int) -> Configuration:
        return random_configuration(TREES, self.seed, number)

    def ends(self, trial: Trial) -> bool:
        return trial.age >= MOST_ROUNDS


@dataclass
class _Hyperband(_Full):
    trials: dict[int, Trial] = field(default_factory=dict)

    def ends(self, trial: Trial) -> bool:
        if trial.number not in self.trials:
            self.trials[trial.number] = trial
            trial.bracket = BRACKETS.bracket_of(self.seed, trial.number)
        others = [
            each.curve
            for each in self.trials.values()
            if each is not trial and each.bracket == trial.bracket
        ]
        if trial.age >= MOST_ROUNDS:
            return True
        seen = trial.age - 1
        return stopping_rung(BRACKETS, trial.bracket, trial.curve, seen, others) is not None


class _Asha:
    """syne-tune's asynchronous successive halving with as many brackets."""

    def __init__(self, seed: int) -> None:
        from syne_tune.backend.trial_status import Trial as TheirTrial
        from syne_tune.optimizer import baselines

        self._their_trial = TheirTrial
        self._scheduler = baselines.ASHA(
            config_space={each.name: syne_tune_domain(each) for each in TREES.parameters},
            metric="loss",
            time_attr="round",
            max_t=MOST_ROUNDS,
            random_seed=seed,
            grace_period=_LEAST_ROUNDS,
            reduction_factor=3,
            brackets=BRACKETS.count,
        )
        self._trials: dict[int, Any] = {}

    def draw(self, number: int) -> Configuration:
        found = self._scheduler.suggest().config
        started = datetime.now(UTC)
        self._trials[number] = self._their_trial(number, found, started)
        self._scheduler.on_trial_add(self._trials[number])
        return {each.name: found[each.name] for each in TREES.parameters}

    def ends(self, trial: Trial) -> bool:
        result = {"loss": trial.curve[-1], "round": trial.age}
        decision = self._scheduler.on_trial_result(self._trials[trial.number], result)
        if trial.age >= MOST_ROUNDS or decision != "CONTINUE":
            self._scheduler.on_trial_complete(self._trials[trial.number], result)
            return True
        return False


SCHEDULERS: dict[str, tuple[str, Callable[[int], Scheduler]]] = {
    HYPERBAND: ("", _Hyperband),
    FULL: ("", _Full),
    ASHA: ("tuning", _Asha),
}
"""For each: the environment it needs, and what makes one from a seed."""


def halving(name: str, seed: int) -> dict[str, Any]:
    """Return the least loss that a trial ended with, after the cost of each full training."""
    scheduler = SCHEDULERS[name][1](seed)
    losses = partial(boosted, "load_breast_cancer", BINARY, rounds=MOST_ROUNDS)
    running: list[Trial] = []
    cost, started, least = 0, 0, float("inf")
    best: list[float | None] = []
    while len(best) < FULL_TRAININGS:
        while len(running) < _AT_ONCE:
            configuration = scheduler.draw(started)
            running.append(Trial(started, configuration, losses(configuration)))
            started += 1
        for trial in list(running):
            trial.age += 1
            cost += 1
            if scheduler.ends(trial):
                running.remove(trial)
                least = min(least, trial.curve[-1])
            if cost % MOST_ROUNDS == 0:
                best.append(least if least < float("inf") else None)
    return {"best": best[:FULL_TRAININGS], "trials": started}
