"""Requests per second of ListTrainingJobs with 10 jobs; peer: moto_server."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import boto3

from benchmarks.clients import http_request, load
from benchmarks.peers import environment, free_port, process, wait_for
from sagebrush.launch import PrivateServer

_JOBS = 10
_SECONDS = 6.0
_HEADERS = {
    "x-amz-target": "SageMaker.ListTrainingJobs",
    "content-type": "application/x-amz-json-1.1",
    "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request,"
    " SignedHeaders=host, Signature=0",
}
_REQUEST = http_request("POST", "/", _HEADERS, b"{}", "api.sagemaker.us-east-1.amazonaws.com")


def run() -> dict[str, Any]:
    """Measure both and print the ratio."""
    with PrivateServer() as server:
        port = int(server.endpoint.rpartition(":")[2])
        _create_jobs(port)
        ours = load(port, _REQUEST, connections=4, duration_s=_SECONDS)
    with tempfile.TemporaryDirectory() as name:
        log, port = Path(name, "log"), free_port()
        command = [environment("moto") / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        with process(command, log) as child:
            wait_for(f"http://127.0.0.1:{port}/", child, log)
            _create_jobs(port)
            theirs = load(port, _REQUEST, connections=4, duration_s=_SECONDS)
    print(
        f"   ListTrainingJobs sagebrush {ours.per_second:.0f}/s, moto_server"
        f" {theirs.per_second:.0f}/s: {ours.per_second / theirs.per_second:.1f} times"
        f"  (errors {ours.errors}, {theirs.errors})"
    )
    return {"sagebrush": vars(ours), "moto_server": vars(theirs)}


def _create_jobs(port: int) -> None:
    settings: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    s3, sagemaker = boto3.client("s3", **settings), boto3.client("sagemaker", **settings)
    s3.create_bucket(Bucket="jobs")
    s3.put_object(Bucket="jobs", Key="train/data.csv", Body=b"1,2\n3,4\n5,6\n7,8\n")
    for number in range(_JOBS):
        sagemaker.create_training_job(
            TrainingJobName=f"job-{number}",
            AlgorithmSpecification={
                "TrainingImage": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
                "TrainingInputMode": "File",
            },
            RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
            HyperParameters={"k": "2", "feature_dim": "2", "mini_batch_size": "4"},
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "ContentType": "text/csv;label_size=0",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/train/"}
                    },
                }
            ],
            OutputDataConfig={"S3OutputPath": "s3://jobs/output"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=f"job-{_JOBS - 1}", WaiterConfig={"Delay": 1}
    )
