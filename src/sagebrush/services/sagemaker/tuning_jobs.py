"""Tuning jobs: create, describe, list, stop, delete.

A handler only writes the row and wakes the scheduler; `tuning/` does the rest.
"""

from __future__ import annotations

import secrets
from typing import Any

from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, tagging
from sagebrush.services.sagemaker.listing import page_of
from sagebrush.services.sagemaker.tuning import records
from sagebrush.services.sagemaker.tuning.definitions import definitions_of
from sagebrush.services.sagemaker.tuning.descriptions import (
    describe,
    listed,
    summary_of,
    tuning_arn,
)
from sagebrush.services.sagemaker.tuning.records import TuningJob, TuningState
from sagebrush.services.sagemaker.tuning.scheduling import scheduler_of
from sagebrush.services.sagemaker.tuning.warm_start import inheritance
from sagebrush.services.sagemaker.tuning_requests import checked_tuning_request

_PAGE = 10


def create_hyper_parameter_tuning_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept a tuning job; the scheduler begins its first trials once this is committed."""
    name = request["HyperParameterTuningJobName"]
    arn = tuning_arn(context.account, context.region, name)
    if records.find_job(context.db, context.account, context.region, name) is not None:
        raise faults.name_in_use("Hyper-parameter tuning job", arn)
    request = checked_tuning_request(context, request)
    inherited = inheritance(context, request)
    given = request["HyperParameterTuningJobConfig"].get("RandomSeed")
    state = TuningState(seed=secrets.randbelow(1 << 31) if given is None else given)
    scope = (context.account, context.region)
    identifier = records.insert_job(context.db, scope, name, request, state, context.now)
    if inherited is not None:
        records.insert_inherited(context.db, identifier, *inherited)
    tagging.add_tags(context.db, arn, request.get("Tags", ()))
    scheduler_of(context.platform).wake()
    return {"HyperParameterTuningJobArn": arn}


def describe_hyper_parameter_tuning_job(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Tell everything about a tuning job: what was asked, counters, the best trial so far."""
    job = _require(context, request["HyperParameterTuningJobName"])
    return describe(context.db, job, context.now)


def list_hyper_parameter_tuning_jobs(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of the tuning jobs that pass every filter, by name unless asked otherwise."""
    columns = "id, name, status, created"
    shown, following = page_of(
        context, request, "sagemaker_tuning_jobs", columns, "Name", "Ascending"
    )
    jobs = [records.job_by_id(context.db, row["id"]) for row in shown]
    answer: dict[str, Any] = {
        "HyperParameterTuningJobSummaries": [listed(context.db, job) for job in jobs if job]
    }
    if following is not None:
        answer["NextToken"] = following
    return answer


def list_training_jobs_for_hyper_parameter_tuning_job(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Tell a page of a tuning job's training jobs, by name unless asked otherwise.

    Sorted by the objective, those without one are left out.
    """
    job = _require(context, request["HyperParameterTuningJobName"])
    by = request.get("SortBy", "Name")
    descending = request.get("SortOrder", "Ascending") == "Descending"
    places = _places(context, job, by, request.get("StatusEquals"))
    places.sort(reverse=descending)
    if token := request.get("NextToken"):
        last = _position(token, by)
        places = [place for place in places if (place < last if descending else place > last)]
    limit = request.get("MaxResults", _PAGE)
    definitions = definitions_of(job.request)
    shown = [records.trial_of(context.db, job.id, number) for _, number in places[:limit]]
    answer: dict[str, Any] = {
        "TrainingJobSummaries": [
            summary_of(context.db, job, trial, definitions) for trial in shown if trial
        ]
    }
    if len(places) > limit:
        answer["NextToken"] = encode_token(list(places[limit - 1]))
    return answer


def _places(context: Context, job: TuningJob, by: str, status: str | None) -> list[tuple[Any, int]]:
    """The (sort key, number) of the trials to list."""
    running = records.running_statuses(context.db, job.id)
    places: list[tuple[Any, int]] = []
    for trial in records.trials_of(context.db, job.id):
        current = running.get(trial.number, trial.status)
        if status is not None and current != status:
            continue
        if by != "FinalObjectiveMetricValue":
            # Numbers grow with the time of creation.
            keys = {"Name": trial.training_job_name, "Status": current, "CreationTime": 0.0}
            places.append((keys[by], trial.number))
        elif trial.objective is not None:
            places.append((trial.objective, trial.number))
    return places


def _position(token: str, by: str) -> tuple[Any, int]:
    text = by in ("Name", "Status")
    key, number = decode_token(token, kinds=(str if text else float, int))
    return key, number


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

    if job.status != "Stopping":
        records.change(context.db, job.id, apply)
        scheduler_of(context.platform).wake()
    return {}


def delete_hyper_parameter_tuning_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a tuning job that is over; its training jobs stay."""
    job = _require(context, request["HyperParameterTuningJobName"])
    arn = tuning_arn(job.account, job.region, job.name)
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
