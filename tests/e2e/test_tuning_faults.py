"""A tuning job goes on where it was when the server and the search process are killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from .test_faults import IMAGE, ROLE, Server, running, upload_rows, wait_until

TRIALS = 10
OVER = ("Completed", "Failed", "Stopped")
LIMIT_S = 120.0


def create(server: Server) -> None:
    """Create a tuning job of K-Means, which knows its objective from a test channel."""
    channels = [
        {
            "ChannelName": name,
            "ContentType": "text/csv;label_size=0",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://killed/train/"}
            },
        }
        for name in ("train", "test")
    ]
    server.client("sagemaker").create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="killed",
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "test:msd"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": TRIALS, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "IntegerParameterRanges": [
                    {"Name": "mini_batch_size", "MinValue": "100", "MaxValue": "400"},
                    {"Name": "extra_center_factor", "MinValue": "1", "MaxValue": "9"},
                ]
            },
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "StaticHyperParameters": {"k": "3", "feature_dim": "4", "epochs": "30"},
            "RoleArn": ROLE,
            "InputDataConfig": channels,
            "OutputDataConfig": {"S3OutputPath": "s3://killed/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        },
    )


def trials(server: Server) -> list[dict[str, Any]]:
    client = server.client("sagemaker")
    paginator = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    pages = paginator.paginate(HyperParameterTuningJobName="killed")
    return [each for page in pages for each in page["TrainingJobSummaries"]]


def described(server: Server) -> dict[str, Any]:
    job: dict[str, Any] = server.client("sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="killed"
    )
    return job


def search_process(server: Server) -> int | None:
    """Return the server's search process, if it has one."""
    assert server.process is not None
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            continue  # no process, or one that is gone
        if b"sagebrush.tuning.worker" in command and int(parent) == server.process.pid:
            return int(folder.name)
    return None


def test_kill_9_in_the_middle_loses_no_trial_and_runs_none_twice(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        upload_rows(server, "killed")
        create(server)
        for count in (1, 4, 7):
            wait_until(lambda count=count: len(trials(server)) >= count, LIMIT_S)
            search = search_process(server)
            if count == 4:
                assert search is not None
                os.kill(search, signal.SIGKILL)
                wait_until(lambda: len(trials(server)) >= 5, LIMIT_S)
            server.kill()
            server.start()
        wait_until(lambda: described(server)["HyperParameterTuningJobStatus"] in OVER, LIMIT_S)
        assert described(server)["HyperParameterTuningJobStatus"] == "Completed"
        told = trials(server)
        numbers = [each["TrainingJobName"].split("-")[1] for each in told]
        assert numbers == [f"{number:03d}" for number in range(1, TRIALS + 1)]
        client = server.client("sagemaker")
        listed = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        assert sorted(each["TrainingJobName"] for each in listed) == [
            each["TrainingJobName"] for each in told
        ]
        for each in told:
            child = client.describe_training_job(TrainingJobName=each["TrainingJobName"])
            statuses = [item["Status"] for item in child["SecondaryStatusTransitions"]]
            assert statuses.count("Training") == 1
            assert child["TrainingJobStatus"] == "Completed", child.get("FailureReason")
