"""Multi-model endpoints through unmodified boto3: many models, little memory, crashes."""

from __future__ import annotations

import concurrent.futures
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

from sagebrush.algorithms.linear_learner.artifact import write_model
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.settings import Settings
from sagebrush.launch import PrivateServer
from sagebrush.services.sagemaker.jobs.host_metrics import tree_usage

MODELS = 100
WIDTH = 400_000
MODEL_BYTES = WIDTH * 8
ROOM_MB = 10 * MODEL_BYTES // (1 << 20) + 3
LIMIT_S = 40.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill."""
    with PrivateServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Hosting:
    """An account of the test's own."""
    return Hosting(server, tmp_path)


def create(hosting: Hosting, name: str, image: str = "linear-learner", **fields: Any) -> None:
    """Create the endpoint of a multi-model container of the archives below `<name>/`."""
    count = fields.pop("instances", 1)
    container = {
        "Image": IMAGES[image],
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{hosting.bucket}/{name}/",
    }
    hosting.sagemaker.create_model(
        ModelName=name, PrimaryContainer=container | fields, ExecutionRoleArn=ROLE
    )
    hosting.endpoint(name, {"ModelName": name, "InitialInstanceCount": count})


def score(hosting: Hosting, name: str, model: str) -> float:
    """Return the score that a linear model gives to the origin: its bias."""
    answer = hosting.invoke(name, b"0,0", TargetModel=model)
    (prediction,) = json.loads(answer["Body"])["predictions"]
    return float(prediction["score"])


def linear(hosting: Hosting, bias: float) -> bytes:
    return hosting.linear([1.0, 2.0], bias, "regressor")


def processes(server: PrivateServer) -> list[int]:
    """Return the ids of the processes of all model servers."""
    records = [json.loads(path.read_text()) for path in server.data.glob("fleets/*/*/shim.json")]
    pids = [pid for record in records for pid in record["members"].values()]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def resident_mb(pid: int) -> float:
    """Return the memory of a process and those below it."""
    return tree_usage(pid)[1] / (1 << 20)


def metric(hosting: Hosting, name: str, endpoint: str, statistic: str, **fields: str) -> float:
    """Return a statistic over all there is, once it is stored: that is done every few seconds."""
    give_up = time.monotonic() + LIMIT_S
    while not (found := _points(hosting, name, endpoint, statistic, **fields)):
        assert time.monotonic() < give_up, name
        time.sleep(0.1)
    return float(found[0][statistic])


def settled_metrics(hosting: Hosting, endpoint: str, count: int) -> None:
    """Return once so many requests are in the metrics."""
    give_up = time.monotonic() + LIMIT_S
    while metric(hosting, "ModelCacheHit", endpoint, "SampleCount") != count:
        assert time.monotonic() < give_up
        time.sleep(0.1)


def _points(
    hosting: Hosting, name: str, endpoint: str, statistic: str, namespace: str = "AWS/SageMaker"
) -> Any:
    now = datetime.now(UTC)
    return hosting.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": "variant-0"},
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=[statistic],
    )["Datapoints"]


def test_a_hundred_models_in_the_memory_of_ten(
    hosting: Hosting, server: PrivateServer, tmp_path: Path
) -> None:
    path = tmp_path / "model_algo-1"
    for number in range(MODELS):
        model = LinearModel(np.zeros((1, WIDTH)), np.array([float(number)]), 0.5)
        write_model(path, model, Settings(predictor_type="regressor"))
        members = {path.name: path.read_bytes()}
        hosting.upload(f"hundred/{number}.tar.gz", archive(members, level=1))
    before = set(processes(server))
    create(hosting, "hundred", Environment={"SAGEBRUSH_MODEL_MEMORY_MB": str(ROOM_MB)})
    (pid,) = set(processes(server)) - before
    empty_mb = resident_mb(pid)
    row = {"keys": [0], "shape": [WIDTH], "values": [0.0]}
    body = json.dumps({"instances": [{"data": {"features": row}}]})

    def ask(number: int) -> float:
        answer = hosting.invoke(
            "hundred", body, TargetModel=f"{number}.tar.gz", ContentType="application/json"
        )
        seen.append(resident_mb(pid))
        return float(json.loads(answer["Body"])["predictions"][0]["score"])

    seen: list[float] = []
    numbers = [*range(MODELS), *range(MODELS - 1, MODELS - 31, -1), *[7, 7, 7]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, numbers)) == numbers
    # Ten models, the one that is being loaded twice over, and what requests need.
    assert max(seen) < empty_mb + ROOM_MB + 3 * MODEL_BYTES / (1 << 20) + 20
    assert max(seen) > empty_mb + 4 * MODEL_BYTES / (1 << 20)
    settled_metrics(hosting, "hundred", len(numbers))
    assert metric(hosting, "ModelCacheHit", "hundred", "Sum") >= 2
    assert metric(hosting, "ModelDownloadingTime", "hundred", "SampleCount") == MODELS
    assert metric(hosting, "ModelLoadingTime", "hundred", "SampleCount") >= MODELS
    assert metric(hosting, "ModelUnloadingTime", "hundred", "SampleCount") >= MODELS - 12
    assert metric(hosting, "ModelLoadingWaitTime", "hundred", "Minimum") > 0


def test_artefacts_come_change_and_go(
    hosting: Hosting, refused: Callable[..., tuple[str, str]]
) -> None:
    hosting.upload("models/a.tar.gz", linear(hosting, 1.0))
    create(hosting, "models")
    assert score(hosting, "models", "a.tar.gz") == 1.0
    hosting.upload("models/deep/b.tar.gz", linear(hosting, 2.0))
    assert score(hosting, "models", "deep/b.tar.gz") == 2.0
    # Overwriting or deleting does nothing to a model that is loaded.
    hosting.upload("models/a.tar.gz", linear(hosting, 9.0))
    hosting.client("s3").delete_object(Bucket=hosting.bucket, Key="models/deep/b.tar.gz")
    assert score(hosting, "models", "/a.tar.gz") == 1.0
    assert score(hosting, "models", "deep/b.tar.gz") == 2.0

    def refusal(model: str) -> tuple[str, str]:
        return refused(hosting.invoke, name="models", body=b"0,0", TargetModel=model)

    assert refusal("none.tar.gz") == (
        "ValidationError",
        (
            f"Failed to download model data(bucket: {hosting.bucket}, key: models/none.tar.gz)."
            " Please ensure that there is an object located at the URL and that the role passed to"
            " CreateModel has permissions to download the model."
        ),
    )
    hosting.upload("models/corrupt.tar.gz", b"no archive")
    code, message = refusal("corrupt.tar.gz")
    assert (code, message.partition(" from")[0]) == (
        "ValidationError",
        "Failed to extract model data archive",
    )
    hosting.upload("models/escape.tar.gz", archive({"../../escape": b"x"}))
    code, message = refusal("escape.tar.gz")
    assert (code, "stay below" in message) == ("ValidationError", True)
    assert not list(hosting.server.data.rglob("escape"))
    hosting.upload("models/empty.tar.gz", archive({"README": b"no model"}))
    code, message = refusal("empty.tar.gz")
    assert code == "ModelError"
    assert "Received server error (500) from primary" in message
    # Put right, it can be used.
    hosting.upload("models/corrupt.tar.gz", linear(hosting, 3.0))
    assert score(hosting, "models", "corrupt.tar.gz") == 3.0
    assert score(hosting, "models", "a.tar.gz") == 1.0


def test_a_killed_model_server_loads_its_models_again(
    hosting: Hosting, server: PrivateServer
) -> None:
    before = set(processes(server))
    for number in range(3):
        hosting.upload(f"killed/{number}", linear(hosting, float(number)))
    create(hosting, "killed")
    assert [score(hosting, "killed", str(number)) for number in range(3)] == [0.0, 1.0, 2.0]
    (pid,) = set(processes(server)) - before
    hosting.client("s3").delete_object(Bucket=hosting.bucket, Key="killed/1")
    os.kill(pid, signal.SIGKILL)
    # From the instance's storage: the archive in S3 is not needed any more.
    assert [score(hosting, "killed", str(number)) for number in (2, 1, 0)] == [2.0, 1.0, 0.0]


def test_a_killed_server_finds_its_models_loaded(hosting: Hosting, server: PrivateServer) -> None:
    for number in range(3):
        hosting.upload(f"restart/{number}", linear(hosting, float(number)))
    create(hosting, "restart")
    assert [score(hosting, "restart", str(number)) for number in range(2)] == [0.0, 1.0]
    alive = processes(server)
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()
    assert [score(hosting, "restart", str(number)) for number in range(3)] == [0.0, 1.0, 2.0]
    assert processes(server) == alive
    # The two of the first server may not have been stored before it was killed.
    assert metric(hosting, "ModelCacheHit", "restart", "Sum") == 2
    assert metric(hosting, "ModelLoadingTime", "restart", "SampleCount") <= 3


def test_models_stay_on_their_instances(hosting: Hosting) -> None:
    for number in range(6):
        hosting.upload(f"sticky/{number}", linear(hosting, float(number)))
    create(hosting, "sticky", instances=3)
    for number in [*range(6)] * 4:
        assert score(hosting, "sticky", str(number)) == number
    settled_metrics(hosting, "sticky", 24)
    # Each was loaded once, on one of three.
    assert metric(hosting, "ModelLoadingTime", "sticky", "SampleCount") == 6
    namespace = "/aws/sagemaker/Endpoints"
    assert metric(hosting, "LoadedModelCount", "sticky", "SampleCount", namespace=namespace) >= 1


def test_without_a_cache(hosting: Hosting) -> None:
    hosting.upload("once/a", linear(hosting, 1.0))
    create(hosting, "once", MultiModelConfig={"ModelCacheSetting": "Disabled"})
    assert score(hosting, "once", "a") == 1.0
    give_up = time.monotonic() + LIMIT_S
    hosting.upload("once/a", linear(hosting, 2.0))
    while score(hosting, "once", "a") != 2.0:
        assert time.monotonic() < give_up
    assert metric(hosting, "ModelUnloadingTime", "once", "SampleCount") >= 1


def test_in_a_pipeline(hosting: Hosting, refused: Callable[..., tuple[str, str]]) -> None:
    hosting.upload("variants/up.tar.gz", hosting.linear([1.0], 10.0, "regressor"))
    hosting.upload("variants/down.tar.gz", hosting.linear([-1.0], 10.0, "regressor"))
    first = hosting.upload("first.tar.gz", hosting.linear([2.0], 0.0, "regressor"))
    hosting.sagemaker.create_model(
        ModelName="chained",
        ExecutionRoleArn=ROLE,
        Containers=[
            {
                "Image": IMAGES["linear-learner"],
                "ModelDataUrl": first,
                "Environment": {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"},
            },
            {
                "Image": IMAGES["linear-learner"],
                "ModelDataUrl": f"s3://{hosting.bucket}/variants",
                "Mode": "MultiModel",
            },
        ],
    )
    hosting.endpoint("chained")
    answers = [
        json.loads(hosting.invoke("chained", b"3", TargetModel=model)["Body"])
        for model in ("up.tar.gz", "down.tar.gz")
    ]
    assert [answer["predictions"][0]["score"] for answer in answers] == [16.0, 4.0]
    code, message = refused(hosting.invoke, name="chained", body=b"3")
    assert (code, "is missing a target model header" in message) == ("ValidationError", True)


def test_what_cannot_serve_many_models(
    hosting: Hosting, refused: Callable[..., tuple[str, str]]
) -> None:
    container = {
        "Image": IMAGES["kmeans"],
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{hosting.bucket}/",
    }
    refusal = refused(
        hosting.sagemaker.create_model,
        ModelName="a",
        PrimaryContainer=container,
        ExecutionRoleArn=ROLE,
    )
    assert refusal == (
        "ValidationException",
        (
            f"Your Ecr Image {IMAGES['kmeans']} does not contain required"
            " com.amazonaws.sagemaker.capabilities.multi-models=true Docker label(s)."
        ),
    )
    with pytest.raises(ClientError):
        hosting.sagemaker.describe_model(ModelName="a")


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """Return a function that gives code and message of the error a call ends in."""

    def of(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return of
