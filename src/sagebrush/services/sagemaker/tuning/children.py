"""What the end of a training job means for the trial that it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sagebrush.services.sagemaker.descriptions import job_arn
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.records import Trial


def outcome_of_child(
    trial: Trial, child: TrainingJob | None, definition: Definition
) -> Trial | None:
    """Return the trial with what came of it; None while its training job goes on.

    A job that failed, that was deleted, that never told its objective or whose last objective was
    no number has none. One that was stopped early has the last it told.
    """
    if child is None:
        return replace(trial, objective_status="Failed", status="Failed")
    if not child.is_over:
        return None
    value = _objective(child, definition)
    reason = child.progress.failure_reason or ""
    return replace(
        trial,
        objective_status="Failed" if value is None else "Succeeded",
        objective=value,
        status=child.status,
        retryable=child.status == "Failed" and reason.startswith("InternalServerError"),
        summary=child_summary(child),
        curve=child.progress.curve,
    )


def _objective(child: TrainingJob, definition: Definition) -> float | None:
    told = child.progress.metrics.get(definition.metric)
    curve = child.progress.curve
    diverged = bool(curve) and curve[-1] is None
    if child.status == "Failed" or told is None or diverged:
        return None
    return float(told["Value"])


def child_summary(child: TrainingJob) -> dict[str, Any]:
    """Return what is told of a training job in lists of a tuning job's children."""
    told: dict[str, Any] = {
        "TrainingJobName": child.name,
        "TrainingJobArn": job_arn(child.account, child.region, child.name),
        "CreationTime": child.created,
        "TrainingJobStatus": child.status,
    }
    optional = {
        "TrainingStartTime": child.started,
        "TrainingEndTime": child.ended if child.started is not None else None,
        "FailureReason": child.progress.failure_reason,
    }
    return told | {name: value for name, value in optional.items() if value is not None}
