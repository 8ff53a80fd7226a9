"""What CreateTrainingJob refuses, and in which words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sagebrush.base.errors import ApiError

from .conftest import ACCOUNT, KMEANS, Server

_SPECIFICATION = {"TrainingImage": KMEANS, "TrainingInputMode": "File"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"AlgorithmSpecification": {"TrainingImage": "a/b:1", "TrainingInputMode": "File"}},
            "Cannot find the requested image: a/b:1",
        ),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "File"}},
            "Invalid training image",
        ),
        (
            {"AlgorithmSpecification": {**_SPECIFICATION, "ContainerEntrypoint": ["sh"]}},
            "ContainerEntrypoint",
        ),
        ({"HyperParameters": {"sagemaker_program": "t.py"}}, "Script mode"),
        (
            {"HyperParameters": {"sagemaker_submit_directory": "s3://b/code.tar.gz"}},
            "sagemaker_submit_directory",
        ),
        (
            {
                "AlgorithmSpecification": {
                    **_SPECIFICATION,
                    "MetricDefinitions": [{"Name": "m", "Regex": "("}],
                }
            },
            "Invalid regex",
        ),
        (
            {
                "AlgorithmSpecification": {
                    **_SPECIFICATION,
                    "MetricDefinitions": [{"Name": "m", "Regex": "loss"}],
                }
            },
            "capturing group",
        ),
        ({"ResourceConfig": {"VolumeSizeInGB": 1}}, "ResourceConfig must specify"),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 0}},
            "at least 1",
        ),
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 10}}, "EnableManagedSpotTraining"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 8},
            },
            "Invalid MaxWaitTimeInSeconds",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "https://example.com/x"}}, "does not name a bucket"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/model"}},
            "cannot hold checkpoints",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/usr/lib"}}, "cannot hold"),
        ({"ServerlessJobConfig": {"JobType": "FineTuning"}}, "ServerlessJobConfig"),
    ],
)
def test_refused(server: Server, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ApiError, match=problem) as error:
        server.call("CreateTrainingJob", **server.request("no", **changes))
    assert error.value.code == "ValidationException"


@pytest.mark.parametrize(
    "changes",
    [
        {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 21}},
        {"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86_400 + 1}},
    ],
)
def test_over_limit(server: Server, changes: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="account-level service limit") as error:
        server.call("CreateTrainingJob", **server.request("no", **changes))
    assert error.value.code == "ResourceLimitExceeded"


def test_image_of_any_account_and_region(server: Server) -> None:
    image = "123456789012.dkr.ecr.eu-west-3.amazonaws.com/kmeans:latest"
    job = server.train(
        "anywhere",
        "exit 0",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    )
    assert job["TrainingJobStatus"] == "Completed"
    assert job["AlgorithmSpecification"]["TrainingImage"] == image


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/nobody-made-this", "Could not assume role"),
        ("arn:aws:iam::999999999999:role/SageMakerRole", "Cross-account pass role"),
    ],
)
def test_role_must_exist_where_identities_are_checked(
    server: Server, monkeypatch: pytest.MonkeyPatch, role: str, problem: str
) -> None:
    settings = dataclasses.replace(server.platform.settings, verify_signatures=True)
    monkeypatch.setattr(server.platform, "settings", settings)
    with pytest.raises(ApiError, match=problem):
        server.call("CreateTrainingJob", **server.request("no", RoleArn=role))


def test_any_role_will_do_where_identities_are_not_checked(server: Server) -> None:
    role = "arn:aws:iam::999999999999:role/whatever"
    assert server.train("trusting", "exit 0", RoleArn=role)["TrainingJobStatus"] == "Completed"
