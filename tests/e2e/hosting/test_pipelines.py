"""Inference pipelines and direct invocation through unmodified boto3."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import IMAGES, ROLE, Hosting, archive
from tests.e2e.hosting.test_multi_model import processes

from sagebrush.algorithms.pca.model import PCA
from sagebrush.launch import PrivateServer

PCA_IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/pca:1"
ROWS = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
BODY = "1,2,3,4\n4,3,2,1\n0,0,0,0"
PROJECTED = (
    PCA(num_components=2)
    .fit(ROWS)
    .transform(np.array([[1, 2, 3, 4], [4, 3, 2, 1], [0, 0, 0, 0]], np.float32))
)
SCORES = PROJECTED @ np.array([1.0, 2.0]) + 0.5
LIMIT_S = 40.0
Refused = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    """One account, with what most pipelines are made of."""
    folder = tmp_path_factory.mktemp("scene")
    with PrivateServer(folder / "server") as server:
        hosting = Hosting(server, folder)
        saved = folder / "pca"
        saved.mkdir()
        PCA(num_components=2).fit(ROWS).save(saved)
        members = {path.name: path.read_bytes() for path in saved.iterdir()}
        hosting.upload("pca.tar.gz", archive(members))
        hosting.upload("linear.tar.gz", hosting.linear([1.0, 2.0], 0.5, "regressor"))
        hosting.upload("double.tar.gz", hosting.linear([2.0], 0.0, "regressor"))
        hosting.upload("kmeans.tar.gz", hosting.kmeans((0.0, 0.0), (3.0, 0.0)))
        hosting.upload("broken.tar.gz", archive({"README": b"no model"}))
        yield hosting


def container(scene: Hosting, key: str, name: str = "", **environment: str) -> dict[str, Any]:
    image = {"pca": PCA_IMAGE, "kmeans": IMAGES["kmeans"]}.get(key, IMAGES["linear-learner"])
    found: dict[str, Any] = {"Image": image, "ModelDataUrl": f"s3://{scene.bucket}/{key}.tar.gz"}
    found |= {"ContainerHostname": name} if name else {}
    return found | ({"Environment": environment} if environment else {})


def model(scene: Hosting, name: str, *containers: dict[str, Any], **fields: Any) -> None:
    scene.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, Containers=list(containers), **fields
    )


def scores(scene: Hosting, name: str, body: str = BODY, **fields: Any) -> list[float]:
    answer = json.loads(scene.invoke(name, body, **fields)["Body"])
    return [prediction["score"] for prediction in answer["predictions"]]


def metric(scene: Hosting, endpoint: str, name: str, container_name: str, statistic: str) -> float:
    """Return a container's metric, once it is stored."""
    give_up = time.monotonic() + LIMIT_S
    now = datetime.now(UTC)
    dimensions = {
        "EndpointName": endpoint,
        "VariantName": "variant-0",
        "ContainerName": container_name,
    }
    while True:
        found = scene.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        if found:
            return float(found[0][statistic])
        assert time.monotonic() < give_up, name
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("name", "between"),
    [
        ("json", {}),
        ("lines", {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines"}),
        ("recordio", {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/x-recordio-protobuf"}),
    ],
)
def test_components_go_into_a_linear_model(
    scene: Hosting, name: str, between: dict[str, str]
) -> None:
    model(scene, name, container(scene, "pca", **between), container(scene, "linear"))
    scene.endpoint(name)
    assert scores(scene, name) == pytest.approx(SCORES, rel=1e-5)
    rows = {"instances": [{"features": [1, 2, 3, 4]}]}
    found = scores(scene, name, json.dumps(rows), ContentType="application/json")
    assert found == pytest.approx(SCORES[:1], rel=1e-5)
    lines = scene.invoke(name, BODY, Accept="application/jsonlines")
    assert lines["ContentType"] == "application/jsonlines"
    assert len(lines["Body"].splitlines()) == 3
    if name == "json":
        for part in ("container-1", "container-2"):
            assert metric(scene, name, "ContainerLatency", part, "Minimum") > 0


def test_three_containers_and_what_goes_wrong_in_them(scene: Hosting, tmp_path: Path) -> None:
    plain = {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    parts = [
        container(scene, "double", "first", **plain),
        container(scene, "double", "second", **plain),
        container(scene, "double", "third"),
    ]
    model(scene, "three", *parts)
    assert scene.sagemaker.describe_model(ModelName="three")["Containers"] == parts
    scene.endpoint("three")
    assert scores(scene, "three", "1\n2") == [8.0, 16.0]
    with pytest.raises(ClientError) as caught:
        scene.invoke("three", "1,2")
    response = caught.value.response
    assert 'Received client error (400) from first with message "' in response["Error"]["Message"]
    assert response["OriginalStatusCode"] == 400
    # Rows of seven digits: what goes in is less than the limit, what comes out is more.
    with pytest.raises(ClientError) as caught:
        scene.invoke("three", "1234567\n" * 600_000)
    error = caught.value.response["Error"]
    assert error["Code"] == "ModelError"
    assert error["Message"].startswith(
        "Received response from first with status code 200. However, the request payload from first"
        " to second is "
    )
    assert "which has exceeded the maximum limit of 5 MB." in error["Message"]
    # One of the processes dies: it comes back, and requests wait for it.
    for pid in processes(scene.server)[-1:]:
        os.kill(pid, signal.SIGKILL)
    assert scores(scene, "three", "1\n2") == [8.0, 16.0]


def test_containers_that_do_not_start_are_all_named(scene: Hosting) -> None:
    model(
        scene,
        "broken",
        *(container(scene, "broken", "one"), container(scene, "linear", "two")),
        container(scene, "broken", "three"),
    )
    reason = scene.endpoint("broken", status="Failed")["FailureReason"]
    assert reason.startswith(
        "The one, three containers for production variant variant-0 did not pass the ping health"
        " check. Please check CloudWatch logs for this endpoint."
    )
    streams = scene.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/Endpoints/broken"
    )["logStreams"]
    names = sorted(stream["logStreamName"].rpartition("/")[2] for stream in streams)
    assert names == ["one", "three", "two"]
    assert all(stream["logStreamName"].startswith("variant-0/i-0") for stream in streams)


def test_direct_invocation(scene: Hosting, refused: Refused) -> None:
    model(
        scene,
        "direct",
        *(container(scene, "linear", "linear"), container(scene, "kmeans", "groups")),
        InferenceExecutionConfig={"Mode": "Direct"},
    )
    scene.endpoint("direct")
    assert scores(scene, "direct", "3,4", TargetContainerHostname="linear") == [11.5]
    answer = json.loads(scene.invoke("direct", "3,4", TargetContainerHostname="groups")["Body"])
    assert answer["predictions"][0]["closest_cluster"] == 1.0
    code, message = refused(scene.invoke, name="direct", body="3,4")
    assert code == "ValidationError"
    assert "is missing a target container hostname header" in message
    refusal = refused(scene.invoke, name="direct", body="3,4", TargetContainerHostname="nobody")
    assert refusal == ("ValidationError", "Container nobody is not found in endpoint direct.")
    with pytest.raises(ClientError):
        scene.invoke("direct", "3", TargetContainerHostname="groups")
    assert metric(scene, "direct", "Invocations", "linear", "Sum") == 1.0
    assert metric(scene, "direct", "Invocation4XXErrors", "groups", "Sum") == 1.0
    assert metric(scene, "direct", "OverheadLatency", "groups", "Minimum") > 0
    model(scene, "series", container(scene, "pca"), container(scene, "linear"))
    scene.endpoint("series")
    code, message = refused(
        scene.invoke, name="series", body=BODY, TargetContainerHostname="container-1"
    )
    assert (code, message.startswith("Endpoint series is not a multi-container endpoint")) == (
        "ValidationError",
        True,
    )


@pytest.mark.parametrize("moment_s", [0.0, 0.05, 0.2])
def test_the_server_is_killed_while_a_pipeline_comes_up(scene: Hosting, moment_s: float) -> None:
    name = f"killed-{moment_s}".replace(".", "-")
    before = len(processes(scene.server))
    model(scene, name, container(scene, "pca"), container(scene, "linear"))
    scene.config(name, {"ModelName": name, "InitialInstanceCount": 2})
    scene.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    time.sleep(moment_s)
    assert scene.server._process is not None
    scene.server._process.kill()
    scene.server._process.wait()
    scene.server.start()
    scene.settled(name)
    assert scores(scene, name) == pytest.approx(SCORES, rel=1e-5)
    give_up = time.monotonic() + LIMIT_S
    while len(processes(scene.server)) != before + 4:
        assert time.monotonic() < give_up, processes(scene.server)
        time.sleep(0.05)


def test_batch_transform_runs_a_pipeline(scene: Hosting, refused: Refused) -> None:
    model(scene, "batch", container(scene, "pca"), container(scene, "linear"))
    scene.upload("rows/a.csv", (BODY + "\n").encode() * 50)
    scene.upload("rows/b.csv", b"1,2\n")
    request = {
        "TransformJobName": "batch",
        "ModelName": "batch",
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{scene.bucket}/rows/a",
                }
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{scene.bucket}/out",
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "MaxPayloadInMB": 1,
        "BatchStrategy": "SingleRecord",
        "MaxConcurrentTransforms": 4,
    }
    scene.sagemaker.create_transform_job(**request)
    assert _ended(scene, "batch")["TransformJobStatus"] == "Completed"
    body = scene.client("s3").get_object(Bucket=scene.bucket, Key="out/a.csv.out")["Body"].read()
    found = [json.loads(line)["score"] for line in body.splitlines() if line]
    assert found == pytest.approx([*SCORES] * 50, rel=1e-5)
    request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{scene.bucket}/rows/b"
    scene.sagemaker.create_transform_job(**request | {"TransformJobName": "refused"})
    assert _ended(scene, "refused")["TransformJobStatus"] == "Failed"
    code, message = refused(
        scene.sagemaker.create_transform_job,
        **request | {"TransformJobName": "direct", "ModelName": "direct"},
    )
    assert (code, "Mode Direct" in message) == ("ValidationException", True)


def _ended(scene: Hosting, name: str) -> Any:
    give_up = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up:
        job = scene.sagemaker.describe_transform_job(TransformJobName=name)
        if job["TransformJobStatus"] not in ("InProgress", "Stopping"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


@pytest.fixture
def refused() -> Refused:
    """Return a function that gives code and message of the error a call ends in."""

    def of(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return of
