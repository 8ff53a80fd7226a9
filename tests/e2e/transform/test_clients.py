"""Batch transform through the SDKs and the AWS CLI, unmodified."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.transform.conftest import Transforms


def test_v2_estimator_and_transformer(run_program: Any) -> None:
    answer = run_program("sdk-v2", "sdk_v2_transform.py")
    assert answer["numbers"] == list(range(400, 569))
    assert answer["accuracy"] > 0.9
    assert answer["same"]
    assert answer["attached"] == "text/csv"
    assert "BatchStrategy=MULTI_RECORD" in answer["stdout"] + answer["stderr"]


def test_v3_transform_job(run_program: Any) -> None:
    answer = run_program("sdk-v3", "sdk_v3_transform.py")
    assert answer["status"] == "Completed"
    assert answer["listed"][0] == "transform-v3"
    assert answer["kept"]
    assert answer["clusters"] == [1, 1]


def test_one_command_of_the_aws_cli(
    transforms: Transforms, environments: Path, client_variables: Callable[[str], dict[str, str]]
) -> None:
    transforms.model("model", transforms.kmeans((0.0, 0.0), (9.0, 9.0)))
    transforms.upload("in/rows.csv", b"1,1\n8,8\n")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{transforms.bucket}/in/"}}
    command = [
        *(str(environments / "sdk-v2" / "bin" / "aws"), "sagemaker", "create-transform-job"),
        *("--transform-job-name", "cli", "--model-name", "model"),
        *("--transform-input", json.dumps(
            {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"}
        )),
        *("--transform-output", f"S3OutputPath=s3://{transforms.bucket}/cli,AssembleWith=Line"),
        *("--transform-resources", "InstanceType=ml.m5.large,InstanceCount=1"),
        *("--tags", "Key=team,Value=blue"),
    ]  # fmt: skip
    variables = client_variables("http") | {
        "AWS_ACCESS_KEY_ID": transforms.account,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    finished = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    arn = json.loads(finished.stdout)["TransformJobArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:{transforms.account}:transform-job/cli"
    assert transforms.end("cli")["TransformJobStatus"] == "Completed"
    answer = json.loads(transforms.outputs("cli")["rows.csv.out"])
    assert [each["closest_cluster"] for each in answer["predictions"]] == [0.0, 1.0]
    assert transforms.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "team", "Value": "blue"}
    ]
