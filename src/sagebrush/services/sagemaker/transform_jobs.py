"""Transform jobs: create, describe, list, stop.

A handler only writes the row and wakes the runner; `transform/` does the rest.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, tagging
from sagebrush.services.sagemaker.hosting import records as hosting_records
from sagebrush.services.sagemaker.hosting.containers import containers_of, is_multi_model
from sagebrush.services.sagemaker.transform import records
from sagebrush.services.sagemaker.transform.descriptions import (
    describe,
    summary,
    transform_job_arn,
)
from sagebrush.services.sagemaker.transform.records import Progress, TransformJob
from sagebrush.services.sagemaker.transform.requests import check_transform_request
from sagebrush.services.sagemaker.transform.running import runner_of


def create_transform_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept a job; the runner starts it once this is committed."""
    name = request["TransformJobName"]
    arn = transform_job_arn(context.account, context.region, name)
    if records.find_job(context.db, context.account, context.region, name) is not None:
        raise faults.name_in_use("Transform job", arn)
    model = hosting_records.get(context, hosting_records.MODEL, request["ModelName"])
    check_transform_request(context, request, model.request.get("ExecutionRoleArn", ""))
    progress = Progress(
        containers=_containers(model.request),
        isolated=model.request.get("EnableNetworkIsolation", False),
    )
    scope = (context.account, context.region)
    records.insert_job(context.db, scope, name, request, progress, context.now)
    tagging.add_tags(context.db, arn, request.get("Tags", ()))
    runner_of(context.platform).wake()
    return {"TransformJobArn": arn}


async def describe_transform_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell everything about a job. The first answer about a young job waits a little for its end.

    Clients ask at once after creating a job and then only every few seconds.
    """
    job = _require(context, request["TransformJobName"])
    if not job.is_over:
        await runner_of(context.platform).hold(job)
        job = _require(context, request["TransformJobName"])
    return describe(job)


def list_transform_jobs(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of the jobs that pass every filter, newest first unless asked otherwise."""
    jobs, token = records.page(context, request)
    answer: dict[str, Any] = {"TransformJobSummaries": [summary(job) for job in jobs]}
    return answer if token is None else answer | {"NextToken": token}


def stop_transform_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """End a job at once; nothing of its output is stored."""
    job = _require(context, request["TransformJobName"])
    if job.is_over:
        raise faults.invalid(
            f"The request was rejected because the transform job is in status {job.status}."
        )
    if job.status != "Stopping":

        def apply(found: TransformJob) -> None:
            found.status, found.modified = "Stopping", context.now

        records.change(context.db, job.id, apply)
        runner_of(context.platform).wake()
    return {}


def _containers(model: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers of a model that a job can use."""
    containers = containers_of(model)
    if any(map(is_multi_model, containers)):
        raise faults.invalid("Batch transform does not support containers in MultiModel mode.")
    if model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct":
        raise faults.invalid(
            "Batch transform does not support models with InferenceExecutionConfig Mode Direct."
        )
    return containers


def _require(context: Context, name: str) -> TransformJob:
    job = records.find_job(context.db, context.account, context.region, name)
    if job is None:
        raise faults.not_found()
    return job
