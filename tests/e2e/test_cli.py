"""The commands against a running server, and the private server of `sagebrush run`."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagebrush.launch import LaunchError, PrivateServer

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
LIMIT_S = 60
Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def sagebrush_command(server: PrivateServer, tmp_path: Path) -> Callable[..., Finished]:
    """Return a function that runs `sagebrush` for the server, as a user's shell does."""

    def run(*arguments: str, **variables: str) -> Finished:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS")}
        return subprocess.run(
            [sys.executable, "-m", "sagebrush", *arguments],
            env=kept | {"SAGEBRUSH_DATA": str(server.data)} | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


def client(server: PrivateServer, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def train(server: PrivateServer, name: str, data: str) -> str:
    """Run a K-Means job on a CSV file and return its status."""
    s3, sagemaker = client(server, "s3"), client(server, "sagemaker")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="train/data.csv", Body=data)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{name}/train/"}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": KMEANS, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"k": "2", "feature_dim": "2"},
        InputDataConfig=[
            {
                "ChannelName": "train",
                "ContentType": "text/csv;label_size=0",
                "DataSource": {"S3DataSource": source},
            }
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{name}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        status = sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
        if status != "InProgress":
            return str(status)
        time.sleep(0.05)
    raise AssertionError(f"{name} does not end")


def serve(server: PrivateServer, name: str) -> None:
    """Bring an endpoint of a finished job's model up."""
    sagemaker = client(server, "sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName=name)
    artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
    create_endpoint(sagemaker, name, {"Image": KMEANS, "ModelDataUrl": artefact})
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": LIMIT_S}
    )


def create_endpoint(sagemaker: Any, name: str, container: dict[str, str]) -> None:
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "all",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def test_status_and_logs_show_jobs_and_endpoints(
    server: PrivateServer, sagebrush_command: Callable[..., Finished]
) -> None:
    assert train(server, "cli-good", "0,0\n1,1\n0,1\n5,5\n") == "Completed"
    assert train(server, "cli-bad", "0,0\n1,x\n") == "Failed"
    serve(server, "cli-good")
    told = json.loads(sagebrush_command("status", "--json").stdout)
    assert told["endpoint"] == server.endpoint
    assert told["data"] == str(server.data)
    assert told["disk_bytes"] > 0
    assert told["sandbox"]
    sagemaker = told["services"]["sagemaker"]
    assert sagemaker["training_jobs"]["Completed"] >= 1
    assert sagemaker["training_jobs"]["Failed"] >= 1
    assert sagemaker["endpoints"]["InService"] == len(sagemaker["serving_endpoints"])
    assert "cli-good" in sagemaker["serving_endpoints"]
    assert told["services"]["s3"]["objects"] >= 3
    shown = sagebrush_command("status").stdout
    assert server.endpoint in shown
    assert f"sagemaker: endpoints  InService {len(sagemaker['serving_endpoints'])}" in shown

    good = sagebrush_command("logs", "cli-good", "--follow")
    assert good.returncode == 0
    # What the algorithm says of its job, as every K-Means log at AWS has it.
    assert "#metrics" in good.stdout
    bad = sagebrush_command("logs", "cli-bad")
    assert bad.returncode == 1
    assert "Failed: ClientError" in bad.stdout
    unknown = sagebrush_command("logs", "cli-none")
    assert unknown.returncode == 1
    assert "nothing is called 'cli-none' of these: tuning job, training job" in unknown.stderr

    client(server, "sagemaker").delete_endpoint(EndpointName="cli-good")


def test_status_and_logs_show_transform_jobs(
    server: PrivateServer, sagebrush_command: Callable[..., Finished]
) -> None:
    s3, sagemaker = client(server, "s3"), client(server, "sagemaker")
    assert train(server, "cli-transform", "0,0\n1,1\n0,1\n5,5\n") == "Completed"
    told = sagemaker.describe_training_job(TrainingJobName="cli-transform")
    container = {"Image": KMEANS, "ModelDataUrl": told["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(
        ModelName="cli-transform", PrimaryContainer=container, ExecutionRoleArn=ROLE
    )
    s3.create_bucket(Bucket="cli-transform-rows")
    s3.put_object(Bucket="cli-transform-rows", Key="in/rows.csv", Body=b"0,x\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://cli-transform-rows/in/"}
    # Of the same name as the training job's, but for its end.
    sagemaker.create_transform_job(
        TransformJobName="cli-transform-2",
        ModelName="cli-transform",
        TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "text/csv"},
        TransformOutput={"S3OutputPath": "s3://cli-transform-rows/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    finished = sagebrush_command("logs", "cli-transform-2", "--follow")
    assert finished.returncode == 1
    assert "Failed: ClientError" in finished.stdout
    counts = json.loads(sagebrush_command("status", "--json").stdout)["services"]["sagemaker"]
    assert counts["transform_jobs"]["Failed"] == 1


def test_logs_of_an_endpoint_that_cannot_start(
    server: PrivateServer, sagebrush_command: Callable[..., Finished]
) -> None:
    s3, sagemaker = client(server, "s3"), client(server, "sagemaker")
    s3.create_bucket(Bucket="cli-empty")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("no-model"))
    s3.put_object(Bucket="cli-empty", Key="m.tar.gz", Body=buffer.getvalue())
    container = {"Image": KMEANS, "ModelDataUrl": "s3://cli-empty/m.tar.gz"}
    create_endpoint(sagemaker, "cli-empty", container)
    # The follower stays until there is an end.
    finished = sagebrush_command("logs", "cli-empty", "--follow")
    assert finished.returncode == 1
    assert "ERROR" in finished.stdout
    assert "Failed: The primary container for production variant all" in finished.stdout
    sagemaker.delete_endpoint(EndpointName="cli-empty")


def test_env_points_a_shell_at_the_server(
    server: PrivateServer, sagebrush_command: Callable[..., Finished], tmp_path: Path
) -> None:
    # The address alone is enough, whatever the user's own data directory.
    told = sagebrush_command("env", "--endpoint", server.endpoint, SAGEBRUSH_DATA=str(tmp_path))
    script = f"{told.stdout}\necho $HTTPS_PROXY $AWS_CA_BUNDLE $AWS_REGION"
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [server.endpoint, server.bundle, "us-east-1"]
    assert Path(server.bundle).exists()
    as_json = json.loads(sagebrush_command("env", "--json", AWS_REGION="eu-west-1").stdout)
    assert as_json["AWS_REGION"] == "eu-west-1"
    plain = json.loads(sagebrush_command("env", "--json", "--plain-http").stdout)
    assert plain["AWS_ENDPOINT_URL"] == server.endpoint
    assert "HTTPS_PROXY" not in plain


def test_reset_refuses_while_the_server_runs(
    server: PrivateServer, sagebrush_command: Callable[..., Finished]
) -> None:
    refused = sagebrush_command("reset", "--yes")
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    assert (server.data / "state.sqlite").exists()


def test_a_second_server_on_the_same_data_is_refused(server: PrivateServer) -> None:
    with pytest.raises(LaunchError, match="another server runs on"):
        PrivateServer(server.data).start()


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("import boto3; print(boto3.client('sts').get_caller_identity()['Account'])", 0),
    ],
)
def test_run_returns_the_commands_exit_code(
    sagebrush_command: Callable[..., Finished], tmp_path: Path, program: str, code: int
) -> None:
    before = set(tmp_path.iterdir())
    finished = sagebrush_command("run", "--", sys.executable, "-c", program, TMPDIR=str(tmp_path))
    assert finished.returncode == code, finished.stderr
    if "sts" in program:
        assert finished.stdout.strip() == "000000000000"
    assert set(tmp_path.iterdir()) == before


def test_run_of_something_that_is_no_program(sagebrush_command: Callable[..., Finished]) -> None:
    finished = sagebrush_command("run", "--", "./no-such-program")
    # As a shell says it.
    assert finished.returncode == 127
    assert "cannot run ./no-such-program" in finished.stderr


def test_run_keeps_the_data_it_is_given(
    sagebrush_command: Callable[..., Finished], tmp_path: Path
) -> None:
    make = "import boto3; boto3.client('s3').create_bucket(Bucket='kept')"
    show = "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    data = ("--data", str(tmp_path / "state"))
    assert sagebrush_command("run", *data, "--", sys.executable, "-c", make).returncode == 0
    shown = sagebrush_command("run", *data, "--", sys.executable, "-c", show)
    assert shown.stdout.strip() == "['kept']"


def test_run_passes_a_termination_on(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)"
    )
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "sagebrush", "run", "--", sys.executable, "-c", program]
    running = subprocess.Popen([*command, str(ready)], stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + LIMIT_S
    while not ready.exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=LIMIT_S) == 3


@pytest.mark.slow
def test_the_demo_trains_serves_and_reports(
    server: PrivateServer, sagebrush_command: Callable[..., Finished], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    finished = sagebrush_command("demo", "--endpoint", server.endpoint, "--report", str(report))
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    text = report.read_text("utf-8")
    assert text.lower().startswith("<!doctype html>")
    # One self-contained file: nothing is fetched.
    assert 'src="http' not in text
    assert 'href="http' not in text
    for name in ("XGBoost", "Linear Learner", "K-Means"):
        assert name in text
        assert name in finished.stdout
