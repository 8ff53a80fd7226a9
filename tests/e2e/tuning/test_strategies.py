"""Tuning real XGBoost and Linear Learner jobs through boto3: strategies, early stopping."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import boto3
import pytest
from sklearn.datasets import load_breast_cancer

from sagebrush.launch import PrivateServer

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
IMAGES = {
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
    "linear-learner": "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
}
OVER = ("Completed", "Failed", "Stopped")
LIMIT_S = 120.0
BUCKET = "tuned"
GRID = {"CategoricalParameterRanges": [{"Name": "max_depth", "Values": ["1", "3"]}]}
INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
DEPTH = {"Name": "max_depth", "MinValue": "1", "MaxValue": "8"}
ETA = {"Name": "eta", "MinValue": "0.0001", "MaxValue": "0.5", "ScalingType": "Logarithmic"}


def upload(s3: Any) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    s3.create_bucket(Bucket=BUCKET)
    for name, rows in (("train", slice(0, 400)), ("validation", slice(400, 569))):
        lines = (
            ",".join(f"{value:g}" for value in (label, *row))
            for row, label in zip(X[rows], y[rows], strict=True)
        )
        s3.put_object(Bucket=BUCKET, Key=f"{name}/data.csv", Body="\n".join(lines))


def create(
    sagemaker: Any,
    name: str,
    algorithm: str,
    metric: tuple[str, str],
    ranges: dict[str, Any],
    static: dict[str, str],
    *,
    jobs: int | None = 3,
    parallel: int = 2,
    resources: dict[str, Any] | None = None,
    **config: Any,
) -> None:
    """Create a tuning job on the breast cancer data; `resources` say where its trials run."""
    limits: dict[str, Any] = {"MaxParallelTrainingJobs": parallel}
    if jobs is not None:
        limits["MaxNumberOfTrainingJobs"] = jobs
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "HyperParameterTuningJobObjective": {"Type": metric[0], "MetricName": metric[1]},
            "ResourceLimits": limits,
            "ParameterRanges": ranges,
            "RandomSeed": 11,
        }
        | config,
        TrainingJobDefinition={
            "AlgorithmSpecification": {
                "TrainingImage": IMAGES[algorithm], "TrainingInputMode": "File",
            },
            "StaticHyperParameters": static,
            "RoleArn": ROLE,
            "InputDataConfig": [
                {
                    "ChannelName": channel,
                    "ContentType": "text/csv",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{channel}/",
                        }
                    },
                }
                for channel in ("train", "validation")
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        }
        | (resources or {"ResourceConfig": INSTANCES}),
    )  # fmt: skip


def ended(sagemaker: Any, name: str) -> dict[str, Any]:
    """Return the description of a tuning job that is over."""
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        job: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        if job["HyperParameterTuningJobStatus"] in OVER:
            return job
        time.sleep(0.1)
    raise AssertionError(f"{name} is not over: {job['TrainingJobStatusCounters']}")


def trials(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    paginator = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    pages = paginator.paginate(HyperParameterTuningJobName=name, MaxResults=2)
    return [each for page in pages for each in page["TrainingJobSummaries"]]


@pytest.fixture(scope="module")
def clients(server: PrivateServer) -> tuple[Any, Any]:
    """SageMaker and S3, the data in place."""
    access = {
        "endpoint_url": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    s3 = boto3.client("s3", **access)
    upload(s3)
    return boto3.client("sagemaker", **access), s3


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Grid", "Hyperband"])
def test_xgboost(clients: tuple[Any, Any], strategy: str) -> None:
    sagemaker, _ = clients
    more: dict[str, Any] = {"jobs": 3}
    ranges: dict[str, Any] = {"IntegerParameterRanges": [DEPTH]}
    if strategy == "Grid":
        more, ranges = {"jobs": None}, GRID
    if strategy == "Hyperband":
        more["StrategyConfig"] = {"HyperbandStrategyConfig": {"MaxResource": 20}}
    create(
        sagemaker, f"xgboost-{strategy}", "xgboost", ("Maximize", "validation:auc"), ranges,
        {"num_round": "20", "objective": "binary:logistic", "eval_metric": "auc"},
        Strategy=strategy, **more,
    )  # fmt: skip
    job = ended(sagemaker, f"xgboost-{strategy}")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    expected = 2 if strategy == "Grid" else 3
    assert job["ObjectiveStatusCounters"]["Succeeded"] == expected
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    found = [
        each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for each in trials(sagemaker, f"xgboost-{strategy}")
    ]
    assert best == max(found) > 0.95


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Grid", "Hyperband"])
def test_linear_learner(clients: tuple[Any, Any], strategy: str) -> None:
    sagemaker, _ = clients
    name = f"linear-{strategy}"
    more: dict[str, Any] = {"jobs": 3}
    ranges: dict[str, Any] = {"ContinuousParameterRanges": [
        {"Name": "learning_rate", "MinValue": "0.001", "MaxValue": "0.5"},
        {"Name": "wd", "MinValue": "0.000001", "MaxValue": "0.1"},
    ]}  # fmt: skip
    if strategy == "Grid":
        biases = {"Name": "use_bias", "Values": ["true", "false"]}
        more, ranges = {"jobs": None}, {"CategoricalParameterRanges": [biases]}
    if strategy == "Hyperband":
        more["StrategyConfig"] = {"HyperbandStrategyConfig": {"MaxResource": 5}}
    create(
        sagemaker, name, "linear-learner", ("Minimize", "validation:objective_loss"), ranges,
        {"predictor_type": "binary_classifier", "epochs": "5", "mini_batch_size": "50"},
        Strategy=strategy, **more,
    )  # fmt: skip
    job = ended(sagemaker, name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    told = trials(sagemaker, name)
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    found = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in told]
    assert best == min(found) < 0.5
    if strategy == "Grid":
        assert {each["TunedHyperParameters"]["use_bias"] for each in told} == {"true", "false"}
    assert job["ObjectiveStatusCounters"]["Succeeded"] == (2 if strategy == "Grid" else 3)


@pytest.mark.parametrize("way", ["Hyperband", "Auto"])
def test_bad_trials_are_stopped_early(clients: tuple[Any, Any], way: str) -> None:
    sagemaker, s3 = clients
    more: dict[str, Any] = {"Strategy": "Random", "TrainingJobEarlyStoppingType": "Auto"}
    if way == "Hyperband":
        resources = {"MinResource": 20, "MaxResource": 1500}
        more = {"Strategy": way, "StrategyConfig": {"HyperbandStrategyConfig": resources}}
    create(
        sagemaker, f"stopped-{way}", "xgboost", ("Minimize", "validation:logloss"),
        {"ContinuousParameterRanges": [ETA], "IntegerParameterRanges": [DEPTH]},
        {"num_round": "1500", "objective": "binary:logistic", "eval_metric": "logloss"},
        jobs=8, **more,
    )  # fmt: skip
    job = ended(sagemaker, f"stopped-{way}")
    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] >= 1, counters
    assert counters["Stopped"] + counters["Completed"] == 8
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 8
    told = trials(sagemaker, f"stopped-{way}")
    stopped = [each for each in told if each["TrainingJobStatus"] == "Stopped"]
    best = job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    found = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in told]
    assert best == min(found) < 0.2
    for each in stopped:
        key = f"out/{each['TrainingJobName']}/output/model.tar.gz"
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"]


def test_trials_fall_back_to_the_next_instances(
    clients: tuple[Any, Any], server: PrivateServer
) -> None:
    sagemaker, _ = clients
    # The fault as `sagebrush faults add capacity` adds it; one of the two trials meets it.
    fault = {"kind": "capacity", "target": "training-job/short-*/ml.m5.large", "times": 1}
    identifier = told(server, "POST", fault)["id"]
    larger = INSTANCES | {"InstanceType": "ml.c5.xlarge", "VolumeSizeInGB": 7}
    wanted = {"InstanceConfigs": [INSTANCES, larger], "AllocationStrategy": "Prioritized"}
    create(
        sagemaker, "short", "xgboost", ("Maximize", "validation:auc"),
        {"IntegerParameterRanges": [DEPTH]},
        {"num_round": "5", "objective": "binary:logistic", "eval_metric": "auc"},
        jobs=2, Strategy="Random", resources={"HyperParameterTuningResourceConfig": wanted},
    )  # fmt: skip
    assert ended(sagemaker, "short")["ObjectiveStatusCounters"]["Succeeded"] == 2
    jobs = [
        sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"])
        for each in trials(sagemaker, "short")
    ]
    assert {job["TrainingJobStatus"] for job in jobs} == {"Completed"}
    used = sorted((job["ResourceConfig"] for job in jobs), key=lambda each: each["VolumeSizeInGB"])
    assert used == [INSTANCES, larger]
    assert told(server, "DELETE", {"id": identifier})["faults"][0]["struck"] == 1


def told(server: PrivateServer, method: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what the server says to a request about faults."""
    request = urllib.request.Request(
        f"{server.endpoint}/_sagebrush/faults",
        json.dumps(given).encode(),
        {"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found
