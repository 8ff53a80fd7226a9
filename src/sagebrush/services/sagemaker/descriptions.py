"""A training job in the shapes that Describe, List and Search answer with."""

from __future__ import annotations

from typing import Any

from sagebrush.algorithms import UnknownImageError, resolve_image
from sagebrush.base.arns import Arn, partition_of
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.store.database import Row

DEFAULT_MAX_RUNTIME_S = 86_400
SUMMARY_COLUMNS = "id, name, status, secondary_status, created, modified, started, ended"
_NOT_DESCRIBED = ("Tags", "SessionChainingConfig")


def job_arn(account: str, region: str, name: str) -> str:
    """Return the ARN of a training job."""
    return str(Arn(partition_of(region), "sagemaker", region, account, f"training-job/{name}"))


def output_location(job: TrainingJob) -> str:
    """Return the S3 URI under which everything the job leaves behind lies, without a slash."""
    return f"{job.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output"


def is_compressed(job: TrainingJob) -> bool:
    """Whether the artefact is one archive rather than single objects."""
    return bool(job.request["OutputDataConfig"].get("CompressionType", "GZIP") != "NONE")


def model_location(job: TrainingJob) -> str:
    """Return the S3 URI of the artefact: of the archive, or the prefix of single objects."""
    return output_location(job) + ("/model.tar.gz" if is_compressed(job) else "/model/")


def metric_definitions(request: dict[str, Any]) -> list[dict[str, str]]:
    """Return the metrics read from a job's log: the user's, then the algorithm's own."""
    specification = request["AlgorithmSpecification"]
    given = list(specification.get("MetricDefinitions", ()))
    named = {definition["Name"] for definition in given}
    try:
        metrics = resolve_image(specification["TrainingImage"]).card.metrics
    except UnknownImageError:
        metrics = ()
    own = [{"Name": m.name, "Regex": m.regex} for m in metrics if m.name not in named]
    return given + own


def describe(job: TrainingJob) -> dict[str, Any]:
    """Return the job as DescribeTrainingJob tells it: the request, AWS's defaults, progress."""
    request = {key: value for key, value in job.request.items() if key not in _NOT_DESCRIBED}
    return request | _defaults(job.request) | _progress(job)


def _defaults(request: dict[str, Any]) -> dict[str, Any]:
    specification = request["AlgorithmSpecification"]
    definitions = metric_definitions(request)
    filled: dict[str, Any] = {
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": True}
        | specification
        | ({"MetricDefinitions": definitions} if definitions else {}),
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP"}
        | request["OutputDataConfig"],
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_S}
        | request.get("StoppingCondition", {}),
    }
    for flag in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        filled[flag] = request.get(flag, False)
    if "InputDataConfig" in request:
        filled["InputDataConfig"] = [
            {"CompressionType": "None", "RecordWrapperType": "None"} | channel
            for channel in request["InputDataConfig"]
        ]
    return filled


def _progress(job: TrainingJob) -> dict[str, Any]:
    progress = job.progress
    told: dict[str, Any] = {
        "TrainingJobArn": job_arn(job.account, job.region, job.name),
        "ModelArtifacts": {"S3ModelArtifacts": model_location(job)},
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary_status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "SecondaryStatusTransitions": progress.transitions,
        "ProfilingStatus": "Disabled",
    }
    optional = {
        "FailureReason": progress.failure_reason,
        "TrainingStartTime": job.started,
        "TrainingEndTime": job.ended if job.started is not None else None,
        "FinalMetricDataList": list(progress.metrics.values()) or None,
    }
    told |= {key: value for key, value in optional.items() if value is not None}
    if job.started is not None and job.ended is not None:
        told["TrainingTimeInSeconds"] = _whole_seconds(job.ended - job.started)
        told["BillableTimeInSeconds"] = _whole_seconds(billable_s(job))
    return told


def billable_s(job: TrainingJob) -> float:
    """Return the seconds that instances were held, over all attempts."""
    progress = job.progress
    if job.ended is None or job.started is None:
        return progress.running_s
    begun = progress.attempt_started if progress.attempt_started is not None else job.started
    return progress.running_s + job.ended - begun


def _whole_seconds(duration_s: float) -> int:
    return max(1, round(duration_s))


def summary(arn_prefix: str, row: Row) -> dict[str, Any]:
    """Return a row of `SUMMARY_COLUMNS` as ListTrainingJobs tells it."""
    _, name, status, secondary, created, modified, started, ended = row
    told: dict[str, Any] = {
        "TrainingJobName": name,
        "TrainingJobArn": arn_prefix + name,
        "CreationTime": created,
        "LastModifiedTime": modified,
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
    }
    if ended is not None and started is not None:
        told["TrainingEndTime"] = ended
    return told
