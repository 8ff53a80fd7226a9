"""A tuning job in the shapes that Describe, List and Search answer with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagebrush.base.arns import Arn, partition_of
from sagebrush.services.sagemaker import records as training_records
from sagebrush.services.sagemaker.descriptions import job_arn, metric_definitions
from sagebrush.services.sagemaker.jobs.logs import OBJECTIVE_HYPERPARAMETER
from sagebrush.services.sagemaker.tuning import history, records
from sagebrush.services.sagemaker.tuning.children import child_summary
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.instances import resources_of
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.store.database import Database

_NOT_DESCRIBED = ("Tags", "HyperParameterTuningJobName")


def tuning_arn(account: str, region: str, name: str) -> str:
    """Return the ARN of a tuning job, which has its name in lower case."""
    resource = f"hyper-parameter-tuning-job/{name.lower()}"
    return str(Arn(partition_of(region), "sagemaker", region, account, resource))


def describe(db: Database, job: TuningJob, now: float) -> dict[str, Any]:
    """Return everything about a tuning job: what was asked, counters, the best trial so far."""
    definitions = definitions_of(job.request)
    trials = records.trials_of(db, job.id)
    told = {key: value for key, value in job.request.items() if key not in _NOT_DESCRIBED}
    told |= _definitions(job, definitions) | _head(db, job, trials)
    best = history.best_of(trials, definitions)
    summary = None if best is None else trial_summary(db, job, best.number, definitions)
    if summary is not None:
        told["BestTrainingJob"] = summary
    overall = _overall_best(db, job, summary)
    if overall is not None:
        told["OverallBestTrainingJob"] = overall
    if job.state.failure_reason is not None:
        told["FailureReason"] = job.state.failure_reason
    told["TuningJobCompletionDetails"] = _completion(job, trials, definitions)
    told["ConsumedResources"] = {"RuntimeInSeconds": round((job.ended or now) - job.created)}
    return told


def _definitions(job: TuningJob, definitions: Sequence[Definition]) -> dict[str, Any]:
    """The definitions, with what each trial gets: metrics, instances, the objective's name.

    `HyperparameterTuner.attach` of the SDK counts on finding them, though it asks for instances by
    HyperParameterTuningResourceConfig.
    """
    told = [
        definition.document
        | {
            "AlgorithmSpecification": {
                **definition.document["AlgorithmSpecification"],
                "MetricDefinitions": metric_definitions(definition.document),
            },
            "ResourceConfig": resources_of(definition.document)[0],
            "StaticHyperParameters": {
                **definition.document.get("StaticHyperParameters", {}),
                OBJECTIVE_HYPERPARAMETER: definition.metric,
            },
        }
        for definition in definitions
    ]
    if "TrainingJobDefinitions" in job.request:
        return {"TrainingJobDefinitions": told}
    return {"TrainingJobDefinition": told[0]}


def listed(db: Database, job: TuningJob) -> dict[str, Any]:
    """Return a tuning job as ListHyperParameterTuningJobs tells it."""
    config = job.request["HyperParameterTuningJobConfig"]
    told = _head(db, job, records.trials_of(db, job.id))
    return {**told, "Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}


def _head(db: Database, job: TuningJob, trials: Sequence[Trial]) -> dict[str, Any]:
    """What describing and listing both tell."""
    running = records.running_statuses(db, job.id)
    statuses = [(running.get(trial.number, trial.status), trial.retryable) for trial in trials]
    told: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": tuning_arn(job.account, job.region, job.name),
        "HyperParameterTuningJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatusCounters": history.status_counters(statuses),
        "ObjectiveStatusCounters": history.objective_counters(trials),
    }
    if job.ended is not None:
        told["HyperParameterTuningEndTime"] = job.ended
    return told


def _completion(
    job: TuningJob, trials: Sequence[Trial], definitions: Sequence[Definition]
) -> dict[str, Any]:
    details: dict[str, Any] = {
        "NumberOfTrainingJobsObjectiveNotImproving": history.not_improving(trials, definitions)
    }
    if job.state.convergence_detected is not None:
        details["ConvergenceDetectedTime"] = job.state.convergence_detected
    return details


def _overall_best(
    db: Database, job: TuningJob, own: dict[str, Any] | None
) -> dict[str, Any] | None:
    """The best of the job's own trials and its parents', where their objectives compare."""
    warm_start = job.request.get("WarmStartConfig", {})
    if warm_start.get("WarmStartType") != "IdenticalDataAndAlgorithm":
        return None
    inherited = records.inherited_best(db, job.id)
    if own is not None:
        own = {**own, "TuningJobName": job.name}
    if own is None or inherited is None:
        return own or inherited
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    sign = 1 if own[metric]["Type"] == "Minimize" else -1
    # Of equals the older one, which was there first.
    return min((inherited, own), key=lambda each: sign * each[metric]["Value"])


def trial_summary(
    db: Database, job: TuningJob, number: int, definitions: Sequence[Definition]
) -> dict[str, Any] | None:
    """Return a trial as HyperParameterTrainingJobSummary; None if there is no such trial."""
    trial = records.trial_of(db, job.id, number)
    return None if trial is None else summary_of(db, job, trial, definitions)


def summary_of(
    db: Database, job: TuningJob, trial: Trial, definitions: Sequence[Definition]
) -> dict[str, Any]:
    """Return a trial, read with its summary, as HyperParameterTrainingJobSummary."""
    definition = definitions[trial.definition]
    told = {
        **(trial.summary or _current(db, job, trial)),
        "TunedHyperParameters": trial.hyperparameters,
        "ObjectiveStatus": trial.objective_status,
    }
    if definition.name:
        told["TrainingJobDefinitionName"] = definition.name
    if trial.objective is not None:
        told["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": definition.direction,
            "MetricName": definition.metric,
            "Value": trial.objective,
        }
    return told


def _current(db: Database, job: TuningJob, trial: Trial) -> dict[str, Any]:
    """What is known of a training job whose end was not noted, or that was deleted before."""
    child = training_records.job_by_id(db, trial.training_job_id)
    if child is not None:
        return child_summary(child)
    return {
        "TrainingJobName": trial.training_job_name,
        "TrainingJobArn": job_arn(job.account, job.region, trial.training_job_name),
        "CreationTime": job.created,
        "TrainingJobStatus": "Failed",
        "FailureReason": "The training job was deleted.",
    }
