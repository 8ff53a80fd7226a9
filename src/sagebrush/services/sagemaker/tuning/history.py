"""What the trials of a tuning job tell: counters, the best one, why it may be time to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob

# AWS calls a tuning job converged when nothing better than 1 % can be expected any more.
_IMPROVEMENT = 0.01
_CONVERGED_AFTER = 10
_LEAST_TRIALS = 20


def best_of(trials: Sequence[Trial], definitions: Sequence[Definition]) -> Trial | None:
    """Return the trial with the best objective, the first of equals; None while none succeeded."""
    done = [trial for trial in trials if trial.objective is not None]
    return min(done, key=lambda trial: cost(trial, definitions), default=None)


def cost(trial: Trial, definitions: Sequence[Definition]) -> float:
    """Return the objective of a trial that succeeded, so that less is better."""
    assert trial.objective is not None
    return definitions[trial.definition].sign * trial.objective


def not_improving(trials: Sequence[Trial], definitions: Sequence[Definition]) -> int:
    """Return how many trials with an objective came after the last that improved by 1 %.

    In the order they began. Source: the API reference of BestObjectiveNotImproving.
    """
    best, count = None, 0
    for trial in trials:
        if trial.objective is None:
            continue
        value = cost(trial, definitions)
        if best is None or value < best - _IMPROVEMENT * abs(best):
            best, count = value, 0
        else:
            count += 1
    return count


def reason_to_end(
    job: TuningJob, trials: Sequence[Trial], definitions: Sequence[Definition], now: float
) -> str:
    """Return why no further trial is to begin: `target`, `not-improving`, ...; empty if none."""
    config = job.request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    criteria = config.get("TuningJobCompletionCriteria", {})
    runtime_s = limits.get("MaxRuntimeInSeconds")
    if runtime_s is not None and now - job.created >= runtime_s:
        return "runtime"
    best = best_of(trials, definitions)
    if best is None or best.objective is None:
        return ""
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None:
        sign = definitions[best.definition].sign
        if sign * best.objective <= sign * target:
            return "target"
    patience = criteria.get("BestObjectiveNotImproving", {}).get(
        "MaxNumberOfTrainingJobsNotImproving"
    )
    if patience is not None and not_improving(trials, definitions) >= patience:
        return "not-improving"
    convergence = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence")
    if convergence == "Enabled" and job.state.convergence_detected is not None:
        return "converged"
    return ""


def has_converged(trials: Sequence[Trial], definitions: Sequence[Definition]) -> bool:
    """Whether the best objective has not improved by 1 % over the last trials."""
    costs = [cost(trial, definitions) for trial in trials if trial.objective is not None]
    if len(costs) < _LEAST_TRIALS:
        return False
    before, after = min(costs[:-_CONVERGED_AFTER]), min(costs)
    return before - after <= _IMPROVEMENT * abs(before)


def status_counters(statuses: Sequence[tuple[str, bool]]) -> dict[str, int]:
    """Return TrainingJobStatusCounters of the children's statuses, each with "was retryable"."""
    counters = dict.fromkeys(
        ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
    )
    for status, retryable in statuses:
        if status == "Failed":
            counters["RetryableError" if retryable else "NonRetryableError"] += 1
        elif status in ("Completed", "Stopped"):
            counters[status] += 1
        else:
            counters["InProgress"] += 1
    return counters


def objective_counters(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return ObjectiveStatusCounters."""
    statuses = [trial.objective_status for trial in trials]
    return {name: statuses.count(name) for name in ("Succeeded", "Pending", "Failed")}
