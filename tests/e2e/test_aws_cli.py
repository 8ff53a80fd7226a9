"""The AWS CLI, from data to prediction."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_diabetes

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


@pytest.fixture(params=["proxy", "http", "https"])
def aws(
    request: pytest.FixtureRequest,
    client_variables: Callable[[str], dict[str, str]],
    environments: Path,
) -> Callable[..., Any]:
    """Return a function that runs `aws` and gives its parsed output, in each of the ways."""
    command = environments / "sdk-v2" / "bin" / "aws"

    def run(*arguments: str) -> Any:
        finished = subprocess.run(
            [command, "--output", "json", *arguments],
            env=client_variables(request.param),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        text = finished.stdout.strip()
        return json.loads(text) if text[:1] in "{[" and text else text

    run.way = request.param  # type: ignore[attr-defined]
    return run


def test_from_data_to_prediction(aws: Callable[..., Any], tmp_path: Path) -> None:
    name = f"cli-{aws.way}"  # type: ignore[attr-defined]
    X, y = load_diabetes(return_X_y=True)
    data = tmp_path / "train.csv"
    data.write_text(
        "\n".join(
            ",".join(f"{value:g}" for value in (label, *row))
            for row, label in zip(X[:400], y[:400], strict=True)
        )
    )
    aws("s3", "mb", f"s3://{name}")
    aws("s3", "cp", str(data), f"s3://{name}/train/data.csv")
    assert "train/data.csv" in str(aws("s3", "ls", "--recursive", f"s3://{name}"))
    aws(
        *("sagemaker", "create-training-job", "--training-job-name", name),
        *("--role-arn", ROLE, "--algorithm-specification"),
        f"TrainingImage={XGBOOST},TrainingInputMode=File",
        *("--hyper-parameters", "num_round=20,max_depth=3"),
        "--input-data-config",
        json.dumps(
            [
                {
                    "ChannelName": "train",
                    "ContentType": "text/csv",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": f"s3://{name}/train/",
                        }
                    },
                }
            ]
        ),
        *("--output-data-config", f"S3OutputPath=s3://{name}/output"),
        *("--resource-config", "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=5"),
        *("--stopping-condition", "MaxRuntimeInSeconds=300"),
    )
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    job = aws("sagemaker", "describe-training-job", "--training-job-name", name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    container = f"Image={XGBOOST},ModelDataUrl={job['ModelArtifacts']['S3ModelArtifacts']}"
    aws(
        *("sagemaker", "create-model", "--model-name", name),
        *("--primary-container", container, "--execution-role-arn", ROLE),
    )
    aws(
        *("sagemaker", "create-endpoint-config", "--endpoint-config-name", name),
        "--production-variants",
        f"VariantName=AllTraffic,ModelName={name},InstanceType=ml.m5.large,InitialInstanceCount=1",
    )
    aws(
        *("sagemaker", "create-endpoint", "--endpoint-name", name),
        *("--endpoint-config-name", name),
    )
    aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", name)
    body, answer = tmp_path / "body.csv", tmp_path / "answer.csv"
    body.write_text("\n".join(",".join(f"{value:g}" for value in row) for row in X[400:]))
    told = aws(
        *("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", name),
        *("--content-type", "text/csv", "--body", f"fileb://{body}", str(answer)),
    )
    assert told["InvokedProductionVariant"] == "AllTraffic"
    text = answer.read_text().strip().replace("\n", ",")
    predictions = [float(value) for value in text.split(",")]
    assert len(predictions) == 42
    mean_error = sum(abs(p - t) for p, t in zip(predictions, y[400:], strict=True)) / 42
    baseline = sum(abs(y[:400].mean() - t) for t in y[400:]) / 42
    assert mean_error < baseline
    aws("sagemaker", "delete-endpoint", "--endpoint-name", name)
    aws("s3", "rb", f"s3://{name}", "--force")
