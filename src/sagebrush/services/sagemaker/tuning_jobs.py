"""Tuning jobs: create, describe, list, stop, delete.

A handler only writes the row and wakes the scheduler; `tuning/` does the rest.
"""

from __future__ import annotations

import secrets
from typing import Any

from sagebrush.base.arns import Arn, partition_of
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, tagging
from sagebrush.services.sagemaker import records as training_records
from sagebrush.services.sagemaker.tuning import history, records
from sagebrush.services.sagemaker.tuning.children import child_summary
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob, TuningState
from sagebrush.services.sagemaker.tuning.scheduling import scheduler_of
from sagebrush.services.sagemaker.tuning_requests import checked_tuning_request

_PAGE = 10
_SORT_COLUMNS = {"Name": "name", "CreationTime": "created", "Status": "status"}
_NOT_DESCRIBED = ("Tags", "HyperParameterTuningJobName")


def _tuning_arn(account: str, region: str, name: str) -> str:
    resource = f"hyper-parameter-tuning-job/{name.lower()}"
    return str(Arn(partition_of(region), "sagemaker", region, account, resource))


def create_hyper_parameter_tuning_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept a tuning job; the scheduler begins its first trials once this is committed."""
    name = request["HyperParameterTuningJobName"]
    arn = _tuning_arn(context.account, context.region, name)
    if records.find_job(context.db, context.account, context.region, name) is not None:
        raise faults.name_in_use("Hyper-parameter tuning job", arn)
    request = checked_tuning_request(context, request)
    given = request["HyperParameterTuningJobConfig"].get("RandomSeed")
    state = TuningState(seed=secrets.randbelow(1 << 31) if given is None else given)
    scope = (context.account, context.region)
    records.insert_job(context.db, scope, name, request, state, context.now)
    tagging.add_tags(context.db, arn, request.get("Tags", ()))
    scheduler_of(context.platform).wake()
    return {"HyperParameterTuningJobArn": arn}


def describe_hyper_parameter_tuning_job(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Tell everything about a tuning job: what was asked, counters, the best trial so far."""
    job = _require(context, request["HyperParameterTuningJobName"])
    definitions = definitions_of(job.request)
    trials = records.trials_of(context.db, job.id)
    told = {key: value for key, value in job.request.items() if key not in _NOT_DESCRIBED}
    told |= _head(context, job, trials)
    best = history.best_of(trials, definitions)
    if best is not None:
        told["BestTrainingJob"] = _trial_summary(context, best, definitions)
    if job.state.failure_reason is not None:
        told["FailureReason"] = job.state.failure_reason
    details: dict[str, Any] = {
        "NumberOfTrainingJobsObjectiveNotImproving": history.not_improving(trials, definitions)
    }
    if job.state.convergence_detected is not None:
        details["ConvergenceDetectedTime"] = job.state.convergence_detected
    told["TuningJobCompletionDetails"] = details
    told["ConsumedResources"] = {
        "RuntimeInSeconds": round((job.ended or context.now) - job.created)
    }
    return told


def _head(context: Context, job: TuningJob, trials: list[Trial]) -> dict[str, Any]:
    """What describing and listing both tell."""
    told: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": _tuning_arn(job.account, job.region, job.name),
        "HyperParameterTuningJobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TrainingJobStatusCounters": history.status_counters(
            [(_status(context, trial), False) for trial in trials]
        ),
        "ObjectiveStatusCounters": history.objective_counters(trials),
    }
    if job.ended is not None:
        told["HyperParameterTuningEndTime"] = job.ended
    return told


def _status(context: Context, trial: Trial) -> str:
    if trial.summary is not None:
        return str(trial.summary["TrainingJobStatus"])
    child = training_records.job_by_id(context.db, trial.training_job_id)
    return child.status if child is not None else "Failed"


def _trial_summary(context: Context, trial: Trial, definitions: list[Definition]) -> dict[str, Any]:
    summary = trial.summary
    if summary is None:
        child = training_records.job_by_id(context.db, trial.training_job_id)
        summary = {} if child is None else child_summary(child)
    definition = definitions[trial.definition]
    told = {
        **summary,
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


def list_hyper_parameter_tuning_jobs(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of the tuning jobs that pass every filter, by name unless asked otherwise."""
    column = _SORT_COLUMNS[request.get("SortBy", "Name")]
    descending = request.get("SortOrder", "Ascending") == "Descending"
    conditions, values = _filters(context, request)
    if token := request.get("NextToken"):
        position = decode_token(token)
        if len(position) != 2 or not all(isinstance(item, str | int | float) for item in position):
            raise faults.invalid("The specified pagination token is invalid.")
        conditions.append(f"({column}, id) {'<' if descending else '>'} (?, ?)")
        values += position
    limit = request.get("MaxResults", _PAGE)
    order = "DESC" if descending else "ASC"
    rows = context.db.all(
        f"SELECT id, {column} AS place FROM sagemaker_tuning_jobs WHERE {' AND '.join(conditions)}"
        f" ORDER BY {column} {order}, id {order} LIMIT ?",
        (*values, limit + 1),
    )
    shown = rows[:limit]
    answer: dict[str, Any] = {
        "HyperParameterTuningJobSummaries": [_listed(context, row["id"]) for row in shown]
    }
    if len(rows) > limit:
        answer["NextToken"] = encode_token([shown[-1]["place"], shown[-1]["id"]])
    return answer


def _listed(context: Context, identifier: int) -> dict[str, Any]:
    job = records.job_by_id(context.db, identifier)
    assert job is not None  # read in the same transaction
    config = job.request["HyperParameterTuningJobConfig"]
    told = _head(context, job, records.trials_of(context.db, identifier))
    return {**told, "Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}


def _filters(context: Context, request: dict[str, Any]) -> tuple[list[str], list[Any]]:
    conditions, values = ["account = ?", "region = ?"], [context.account, context.region]
    for member, condition in (
        ("StatusEquals", "status = ?"),
        ("CreationTimeAfter", "created > ?"),
        ("CreationTimeBefore", "created < ?"),
        ("LastModifiedTimeAfter", "modified > ?"),
        ("LastModifiedTimeBefore", "modified < ?"),
        ("NameContains", "instr(lower(name), lower(?)) > 0"),
    ):
        if member in request:
            conditions.append(condition)
            values.append(request[member])
    return conditions, values


def list_training_jobs_for_hyper_parameter_tuning_job(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Tell a page of a tuning job's training jobs."""
    job = _require(context, request["HyperParameterTuningJobName"])
    definitions = definitions_of(job.request)
    trials = records.trials_of(context.db, job.id)
    told = [(_trial_summary(context, trial, definitions), trial) for trial in trials]
    if wanted := request.get("StatusEquals"):
        told = [each for each in told if each[0].get("TrainingJobStatus") == wanted]
    by = request.get("SortBy", "Name")
    descending = request.get("SortOrder", "Ascending") == "Descending"
    told.sort(key=lambda each: _sort_key(by, each[0], each[1]), reverse=descending)
    start = 0
    if token := request.get("NextToken"):
        (last,) = decode_token(token, kinds=(int,))
        start = next(
            (i + 1 for i, (_, trial) in enumerate(told) if trial.number == last), len(told)
        )
    limit = request.get("MaxResults", _PAGE)
    shown = told[start : start + limit]
    answer: dict[str, Any] = {"TrainingJobSummaries": [summary for summary, _ in shown]}
    if start + limit < len(told):
        answer["NextToken"] = encode_token([shown[-1][1].number])
    return answer


def _sort_key(by: str, summary: dict[str, Any], trial: Trial) -> Any:
    if by == "FinalObjectiveMetricValue":
        return (trial.objective is not None, trial.objective or 0.0)
    if by == "CreationTime":
        return (summary.get("CreationTime", 0.0), trial.number)
    return summary.get("TrainingJobStatus" if by == "Status" else "TrainingJobName", "")


def stop_hyper_parameter_tuning_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin no further trial and have those that run end; what they have saved is kept."""
    job = _require(context, request["HyperParameterTuningJobName"])
    if job.is_over:
        raise faults.invalid(
            f"The request was rejected because the hyper-parameter tuning job is in status"
            f" {job.status}."
        )

    def apply(found: TuningJob) -> None:
        found.status = "Stopping"
        found.modified = context.now

    records.change(context.db, job.id, apply)
    scheduler_of(context.platform).wake()
    return {}


def delete_hyper_parameter_tuning_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a tuning job that is over; its training jobs stay."""
    job = _require(context, request["HyperParameterTuningJobName"])
    arn = _tuning_arn(job.account, job.region, job.name)
    if not job.is_over:
        raise faults.in_use(
            f"Hyper-parameter tuning job {arn} is in status {job.status} and cannot be deleted."
        )
    records.delete_job(context.db, job)
    tagging.delete_all_tags(context.db, arn)
    return {}


def _require(context: Context, name: str) -> TuningJob:
    job = records.find_job(context.db, context.account, context.region, name)
    if job is None:
        raise faults.not_found()
    return job
