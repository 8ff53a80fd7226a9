"""Which running trials are not worth going on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.tuning.early_stopping import falls_behind
from sagebrush.tuning.successive_halving import Brackets, falls_short

# Static hyperparameters that tell how long a trial runs, as AWS looks for them.
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

Curves = Mapping[int, Sequence[float]]


class Stopping:
    """Decides for one tuning job; remembers how much of each trial it has looked at."""

    def __init__(self, job: TuningJob, definitions: Sequence[Definition]) -> None:
        self._definitions = definitions
        config = job.request["HyperParameterTuningJobConfig"]
        self._early = config.get("TrainingJobEarlyStoppingType", "Off") == "Auto"
        self._brackets = brackets_of(job.request) if config["Strategy"] == "Hyperband" else None
        self._seen: dict[int, int] = {}

    def losers(self, trials: Sequence[Trial], running: Curves) -> list[Trial]:
        """Return the trials to stop; ``running`` has what those that run told so far, by number."""
        if not (self._early or self._brackets):
            return []
        curves = {trial.number: self._oriented(trial, running) for trial in trials}
        found = [
            trial
            for trial in trials
            if trial.number in running and self._is_lost(trial, trials, curves)
        ]
        self._seen.update({number: len(curves[number]) for number in running})
        return found

    def _oriented(self, trial: Trial, running: Curves) -> list[float]:
        sign = self._definitions[trial.definition].sign
        return [sign * value for value in running.get(trial.number, trial.curve)]

    def _is_lost(
        self, trial: Trial, trials: Sequence[Trial], curves: Mapping[int, Sequence[float]]
    ) -> bool:
        curve, seen = curves[trial.number], self._seen.get(trial.number, 0)
        if len(curve) <= seen:
            return False
        peers = [
            each
            for each in trials
            if each.number != trial.number and each.definition == trial.definition
        ]
        if self._brackets is not None:
            others = [curves[each.number] for each in peers if each.bracket == trial.bracket]
            return falls_short(self._brackets, trial.bracket, curve, seen, others)
        finished = [curves[each.number] for each in peers if each.objective_status == "Succeeded"]
        return falls_behind(curve, finished)


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
        int(float(value.strip('"')))
        for document in documents
        for name, value in document.get("StaticHyperParameters", {}).items()
        if name in EPOCH_NAMES and value.strip('"').replace(".", "", 1).isdigit()
    ]
    return max(found, default=None)
