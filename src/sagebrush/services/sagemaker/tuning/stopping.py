"""Which running trials are not worth going on with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.tuning.early_stopping import falls_behind, running_averages
from sagebrush.tuning.successive_halving import Brackets, stopping_rung

# Static hyperparameters that tell how long a trial runs, as AWS looks for them.
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

Curve = Sequence[float | None]


class Stopping:
    """Decides for one tuning job.

    What decisions rest on is in the trials, so that another server goes on with the same: how far
    each was looked at, and where each was stopped.
    """

    def __init__(self, job: TuningJob, definitions: Sequence[Definition]) -> None:
        self._definitions = definitions
        config = job.request["HyperParameterTuningJobConfig"]
        self._early = config.get("TrainingJobEarlyStoppingType", "Off") == "Auto"
        self._brackets = brackets_of(job.request) if config["Strategy"] == "Hyperband" else None
        given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
        # A maximum taken from the number of epochs needs no stop: the trial ends there by itself.
        self._maximum = given.get("MaxResource", math.inf)
        self._averages: dict[int, list[float]] = {}

    @property
    def is_active(self) -> bool:
        """Whether any trial is ever stopped."""
        return self._early or self._brackets is not None

    def losers(self, trials: Sequence[Trial], running: Mapping[int, Curve]) -> list[Trial]:
        """Return the trials to stop; ``running`` has what those that run told so far, by number.

        Changes `judged` and `stopped_at` of the trials it looks at.
        """
        lost = []
        for trial in trials:
            curve = running.get(trial.number, ())
            if len(curve) > trial.judged and self._is_lost(trial, trials, running):
                lost.append(trial)
            trial.judged = max(trial.judged, len(curve))
        return lost

    def _is_lost(self, trial: Trial, trials: Sequence[Trial], running: Mapping[int, Curve]) -> bool:
        curve = self._oriented(trial, running[trial.number])
        if self._brackets is None:
            return falls_behind(curve, self._finished_beside(trial, trials))
        others = [
            self._oriented(each, running.get(each.number, each.curve))
            for each in trials
            if each.number != trial.number
            and each.bracket == trial.bracket
            and each.definition == trial.definition
        ]
        rung = stopping_rung(self._brackets, trial.bracket, curve, trial.judged, others)
        if rung is not None:
            trial.stopped_at = rung
        return rung is not None or len(curve) >= self._maximum

    def _oriented(self, trial: Trial, curve: Curve) -> list[float]:
        """The curve with less being better, up to where the trial was stopped."""
        sign = self._definitions[trial.definition].sign
        kept = curve[: trial.stopped_at] if trial.stopped_at else curve
        return [math.inf if value is None else sign * value for value in kept]

    def _finished_beside(self, trial: Trial, trials: Sequence[Trial]) -> list[list[float]]:
        found = []
        for each in trials:
            if each.objective_status == "Succeeded" and each.definition == trial.definition:
                if each.number not in self._averages:
                    curve = self._oriented(each, each.curve)
                    self._averages[each.number] = running_averages(curve)
                found.append(self._averages[each.number])
        return found


def brackets_of(request: dict[str, Any]) -> Brackets:
    """Return the brackets of a Hyperband tuning job, whose request says how far trials run."""
    config = request["HyperParameterTuningJobConfig"].get("StrategyConfig", {})
    given = config.get("HyperbandStrategyConfig", {})
    maximum = given.get("MaxResource") or inferred_maximum(request)
    assert maximum is not None  # creation refused it otherwise
    return Brackets(given.get("MinResource", 1), maximum)


def bracket_of(job: TuningJob, number: int) -> int:
    """Return the bracket of the trial of that number; 0 unless the strategy is Hyperband."""
    if job.request["HyperParameterTuningJobConfig"]["Strategy"] != "Hyperband":
        return 0
    return brackets_of(job.request).bracket_of(job.state.seed, number)


def inferred_maximum(request: dict[str, Any]) -> int | None:
    """Return how many epochs the static hyperparameters say that a trial has; None if none do."""
    documents = request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]
    found = [
        _whole(value)
        for document in documents
        for name, value in document.get("StaticHyperParameters", {}).items()
        if name in EPOCH_NAMES
    ]
    return max((value for value in found if value is not None), default=None)


def _whole(text: str) -> int | None:
    """The positive number that a hyperparameter, which may be JSON text, spells."""
    try:
        value = float(text.strip('"'))
    except ValueError:
        return None
    return int(value) if math.isfinite(value) and value >= 1 else None
