"""Training jobs: create, describe, list, stop, update, delete.

A handler only writes the row and wakes the runner; `jobs/` does the rest.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults, records, tagging
from sagebrush.services.sagemaker.descriptions import SUMMARY_COLUMNS, describe, job_arn, summary
from sagebrush.services.sagemaker.jobs.training import runner_of
from sagebrush.services.sagemaker.listing import page_of
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.training_requests import check_training_request


def create_training_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Accept a job; the runner starts it once this is committed."""
    name = request["TrainingJobName"]
    arn = job_arn(context.account, context.region, name)
    if records.find_job(context.db, context.account, context.region, name) is not None:
        raise faults.name_in_use("Training job", arn)
    check_training_request(context, request)
    records.insert_job(context.db, context.account, context.region, name, request, context.now)
    tagging.add_tags(context.db, arn, request.get("Tags", ()))
    runner_of(context.platform).wake()
    return {"TrainingJobArn": arn}


async def describe_training_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell everything about a job. The first answer about a young job waits a little for its end.

    The SDKs ask at once after creating a job and then only every 30 seconds.
    """
    job = _require(context, request["TrainingJobName"])
    if not job.is_over:
        await runner_of(context.platform).hold(job)
        job = _require(context, request["TrainingJobName"])
    return describe(job)


def list_training_jobs(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Tell a page of the jobs that pass every filter, newest first unless asked otherwise."""
    if "WarmPoolStatusEquals" in request or "TrainingPlanArnEquals" in request:
        # No job has a warm pool or a training plan here.
        return {"TrainingJobSummaries": []}
    shown, following = page_of(
        context, request, "sagemaker_training_jobs", SUMMARY_COLUMNS, "CreationTime", "Descending"
    )
    prefix = job_arn(context.account, context.region, "")
    answer: dict[str, Any] = {"TrainingJobSummaries": [summary(prefix, row) for row in shown]}
    if following is not None:
        answer["NextToken"] = following
    return answer


def stop_training_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Have a job end with SIGTERM and, 120 seconds later, SIGKILL; what it has saved is kept."""
    job = _require(context, request["TrainingJobName"])
    if job.is_over:
        raise faults.rejected_in_status(job.status)
    if job.status != "Stopping":
        records.request_stop(job, context.now)
        records.save(context.db, job)
        runner_of(context.platform).wake()
    return {}


def update_training_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Change what AWS lets change of a running job: its profiler and remote-debug settings."""
    job = _require(context, request["TrainingJobName"])
    if "ResourceConfig" in request:
        # There are no instances to keep: parents preloaded for all jobs make every start warm.
        raise faults.invalid(
            "KeepAlivePeriodInSeconds can be updated only for a training job whose warm pool"
            " status is Available."
        )
    if job.is_over or job.status == "Stopping":
        raise faults.rejected_in_status(job.status)
    for member in ("ProfilerConfig", "RemoteDebugConfig"):
        if member in request:
            job.request[member] = job.request.get(member, {}) | request[member]
    if request.get("ProfilerRuleConfigurations"):
        raise faults.unsupported("ProfilerRuleConfigurations")
    job.modified = context.now
    records.save_request(context.db, job)
    return {"TrainingJobArn": job_arn(job.account, job.region, job.name)}


def delete_training_job(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a job that is over; its name can be used again."""
    job = _require(context, request["TrainingJobName"])
    arn = job_arn(job.account, job.region, job.name)
    if not job.is_over:
        raise faults.in_use(f"Training job {arn} is in status {job.status} and cannot be deleted.")
    records.delete_job(context.db, job)
    tagging.delete_all_tags(context.db, arn)
    return {}


def _require(context: Context, name: str) -> TrainingJob:
    job = records.find_job(context.db, context.account, context.region, name)
    if job is None:
        raise faults.not_found()
    return job
