"""A transform job in the shapes that Describe and List answer with."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn, partition_of
from sagebrush.services.sagemaker.transform.records import TransformJob


def transform_job_arn(account: str, region: str, name: str) -> str:
    """Return the ARN of a transform job."""
    return str(Arn(partition_of(region), "sagemaker", region, account, f"transform-job/{name}"))


def describe(job: TransformJob) -> dict[str, Any]:
    """Return the job as DescribeTransformJob tells it: the request, AWS's defaults, progress."""
    request = {key: value for key, value in job.request.items() if key != "Tags"}
    told = request | {
        "TransformInput": {"CompressionType": "None", "SplitType": "None"}
        | request["TransformInput"],
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": ""} | request["TransformOutput"],
        "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
        | request.get("DataProcessing", {}),
        "TransformJobArn": transform_job_arn(job.account, job.region, job.name),
        "TransformJobStatus": job.status,
        "CreationTime": job.created,
    }
    optional = {
        "FailureReason": job.progress.failure_reason,
        "TransformStartTime": job.started,
        "TransformEndTime": job.ended,
    }
    return told | {key: value for key, value in optional.items() if value is not None}


def summary(job: TransformJob) -> dict[str, Any]:
    """Return the job as ListTransformJobs tells it."""
    told = {
        "TransformJobName": job.name,
        "TransformJobArn": transform_job_arn(job.account, job.region, job.name),
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
        "TransformJobStatus": job.status,
    }
    optional = {"TransformEndTime": job.ended, "FailureReason": job.progress.failure_reason}
    return told | {key: value for key, value in optional.items() if value is not None}
