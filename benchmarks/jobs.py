"""CreateTrainingJob to the first line of the algorithm's code, and to Completed, once warm.

No peer runs these algorithms, so the figures stand beside a cold interpreter that imports what
the algorithm needs: what a job would cost without preloaded parents.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

import boto3

from sagebrush.launch import PrivateServer

_RUNS = 25


def run() -> dict[str, Any]:
    """Measure jobs one after the other on a warm server."""
    with PrivateServer() as server:
        settings: dict[str, Any] = {
            "endpoint_url": server.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        clients = {name: boto3.client(name, **settings) for name in ("s3", "sagemaker", "logs")}
        clients["s3"].create_bucket(Bucket="jobs")
        rows = "\n".join(f"{number},{number % 7}" for number in range(200))
        clients["s3"].put_object(Bucket="jobs", Key="train/data.csv", Body=rows)
        _job(clients, "warm-up")
        measured = [_job(clients, f"job-{number}") for number in range(_RUNS)]
    started = time.perf_counter()
    code = "import numpy, scipy.sparse, pyarrow.csv, xgboost, sagebrush.algorithms.container"
    subprocess.run([sys.executable, "-c", code], check=True)
    cold_s = time.perf_counter() - started
    first_ms = statistics.median(first for first, _ in measured) * 1000
    completed_ms = statistics.median(completed for _, completed in measured) * 1000
    print(f"   CreateTrainingJob to the algorithm's first line: {first_ms:.0f} ms (median)")
    print(f"   CreateTrainingJob to Completed: {completed_ms:.0f} ms (median)")
    print(
        f"   a cold interpreter with its imports alone: {cold_s * 1000:.0f} ms"
        f" ({cold_s * 1000 / first_ms:.1f} times the first line)"
    )
    return {"first_line_ms": first_ms, "completed_ms": completed_ms, "cold_ms": cold_s * 1000}


def _job(clients: dict[str, Any], name: str) -> tuple[float, float]:
    """Return the seconds to the first log line and to Completed."""
    sent = time.time()
    started = time.perf_counter()
    clients["sagemaker"].create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
            "TrainingInputMode": "File",
        },
        RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
        HyperParameters={"k": "3", "feature_dim": "2", "mini_batch_size": "100"},
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
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    while True:
        job = clients["sagemaker"].describe_training_job(TrainingJobName=name)
        if job["TrainingJobStatus"] != "InProgress":
            break
        time.sleep(0.005)
    completed_s = time.perf_counter() - started
    if job["TrainingJobStatus"] != "Completed":
        raise RuntimeError(job.get("FailureReason"))
    return _first_line_s(clients, name, sent), completed_s


def _first_line_s(clients: dict[str, Any], name: str, sent: float) -> float:
    """Return when the algorithm's own clock began, from the start time in its `#metrics` line."""
    events = clients["logs"].filter_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamNamePrefix=f"{name}/",
        filterPattern='"#metrics" "totaltime"',
    )["events"]
    start = float(events[0]["message"].partition('"StartTime": ')[2].partition(",")[0])
    return start - sent
