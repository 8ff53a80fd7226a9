"""Serverless endpoints through unmodified boto3: processes come with requests and go with time.

The server's clock stands still unless a test moves it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import Hosting, archive
from tests.e2e.hosting.steering import clock, control, crash

from sagebrush.algorithms.linear_learner.artifact import write_model
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.settings import Settings
from sagebrush.launch import PrivateServer

IDLE_S = 300
LIMIT_S = 30.0
PROCESSES = "fleets/*/*/shim.lock"


class Serverless(Hosting):
    """One account's serverless endpoint."""

    def configure(
        self, name: str, at_most: int = 2, memory_mb: int = 1024, model: str = "centre", **more: Any
    ) -> None:
        """Create the configuration of a serverless endpoint."""
        config = {"MemorySizeInMB": memory_mb, "MaxConcurrency": at_most, **more}
        variant = {"VariantName": "all", "ModelName": model, "ServerlessConfig": config}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def create(self, name: str, at_most: int = 2, **more: Any) -> Any:
        """Create an endpoint of a K-Means model whose centre is the origin."""
        self.configure(name, at_most, **more)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return self.settled(name)

    def change(self, name: str, **more: int) -> Any:
        """Change MaxConcurrency or ProvisionedConcurrency in place."""
        self.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "all", "ServerlessUpdateConfig": more}],
        )
        return self.settled(name)

    def ask(self, name: str) -> float | str:
        """Return the distance that the endpoint tells, or the code of its error."""
        try:
            answer = self.invoke(name, b"3,4")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        (prediction,) = json.loads(answer["Body"])["predictions"]
        return float(prediction["distance_to_cluster"])

    def at_once(self, name: str, count: int) -> list[float | str]:
        """Return what so many simultaneous invocations give."""
        with ThreadPoolExecutor(count) as pool:
            return sorted(pool.map(lambda _: self.ask(name), range(count)), key=str)

    def metric(self, name: str, metric: str, statistic: str) -> list[float]:
        """Return a metric's values by minute, the oldest first."""
        now = datetime.fromtimestamp(clock(self.server)["now_s"], UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": name},
                {"Name": "VariantName", "Value": "all"},
            ],
            StartTime=now - timedelta(hours=12),
            EndTime=now + timedelta(minutes=2),
            Period=60,
            Statistics=[statistic],
        )["Datapoints"]
        return [point[statistic] for point in sorted(found, key=lambda each: each["Timestamp"])]


def until(holds: Callable[[], bool]) -> None:
    """Return once a condition holds; metrics are stored every few seconds."""
    give_up = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def processes(server: PrivateServer) -> int:
    """Return how many model servers run: those that have not ended hold a lock."""
    return sum(not (lock.parent / "exit.json").exists() for lock in server.data.glob(PROCESSES))


def killed_for_memory(hosting: Hosting, name: str) -> int:
    """Return how often an endpoint's log says so."""
    events = hosting.client("logs").filter_log_events(
        logGroupName=f"/aws/sagemaker/Endpoints/{name}", filterPattern='"more memory than it may"'
    )["events"]
    return len(events)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill, and whose clock stands still."""
    with PrivateServer(tmp_path_factory.mktemp("less"), ("--clock", "stopped")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Iterator[Serverless]:
    scene = Serverless(server, tmp_path)
    scene.model("centre", scene.kmeans((0.0, 0.0)))
    yield scene
    control(server, "faults", "DELETE")
    for endpoint in scene.sagemaker.list_endpoints()["Endpoints"]:
        scene.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        scene.gone(endpoint["EndpointName"])


def test_processes_come_with_requests_and_go_with_time(hosting: Serverless) -> None:
    described = hosting.create("few")
    (variant,) = described["ProductionVariants"]
    limits = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    assert variant["CurrentServerlessConfig"] == limits
    assert variant["DesiredServerlessConfig"] == limits
    assert "CurrentInstanceCount" not in variant
    assert processes(hosting.server) == 0
    assert hosting.ask("few") == 5.0
    assert processes(hosting.server) == 1
    control(hosting.server, "faults", kind="model-delay", target="endpoint/few", delay_s=1)
    told = hosting.at_once("few", 4)
    assert told == [5.0, 5.0, "ThrottlingException", "ThrottlingException"]
    control(hosting.server, "faults", "DELETE")
    assert processes(hosting.server) == 2
    clock(hosting.server, advance_s=IDLE_S - 1)
    assert processes(hosting.server) == 2
    clock(hosting.server, advance_s=2)
    assert processes(hosting.server) == 0
    assert hosting.ask("few") == 5.0
    until(lambda: sum(hosting.metric("few", "ModelSetupTime", "SampleCount")) == 3.0)
    use = "ServerlessConcurrentExecutionsUtilization"
    until(lambda: max(hosting.metric("few", use, "Maximum")) == 1.0)
    assert not hosting.metric("few", "ServerlessProvisionedConcurrencyExecutions", "Maximum")


def test_provisioned_processes_stay_warm_and_are_changed_in_place(hosting: Serverless) -> None:
    hosting.create("warm", at_most=2, ProvisionedConcurrency=1)
    assert processes(hosting.server) == 1
    clock(hosting.server, advance_s=10 * IDLE_S)
    assert processes(hosting.server) == 1
    assert hosting.ask("warm") == 5.0
    change = hosting.sagemaker.update_endpoint_weights_and_capacities
    for wrong in (
        {"ServerlessUpdateConfig": {"ProvisionedConcurrency": 3}},
        {"ServerlessUpdateConfig": {}},
        {"DesiredInstanceCount": 2},
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            change(
                EndpointName="warm", DesiredWeightsAndCapacities=[{"VariantName": "all", **wrong}]
            )
    described = hosting.change("warm", MaxConcurrency=3, ProvisionedConcurrency=2)
    (variant,) = described["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {
        "MemorySizeInMB": 1024,
        "MaxConcurrency": 3,
        "ProvisionedConcurrency": 2,
    }
    assert processes(hosting.server) == 2
    crash(hosting.server)
    assert hosting.ask("warm") == 5.0
    assert processes(hosting.server) == 2
    clock(hosting.server, advance_s=IDLE_S + 1)
    assert processes(hosting.server) == 2
    for name in ("Utilization", "Executions", "Invocations"):
        metric = f"ServerlessProvisionedConcurrency{name}"
        until(lambda metric=metric: bool(hosting.metric("warm", metric, "Maximum")))


def test_a_killed_server_finds_its_processes_again(hosting: Serverless) -> None:
    hosting.create("killed")
    assert hosting.ask("killed") == 5.0
    crash(hosting.server)
    hosting.settled("killed")
    assert hosting.ask("killed") == 5.0
    assert processes(hosting.server) == 1
    clock(hosting.server, advance_s=IDLE_S + 1)
    assert processes(hosting.server) == 0


def test_memory_is_really_limited(hosting: Serverless) -> None:
    """Scores of a million rows for 1000 classes are 8 GB; the endpoint goes on afterwards."""
    classes = np.ones((1000, 1))
    path = hosting.server.data / "wide"
    model = LinearModel(classes, np.zeros(1000), 0.5)
    write_model(path, model, Settings(predictor_type="multiclass_classifier", num_classes=1000))
    hosting.model("wide", archive({"model_algo-1": path.read_bytes()}), "linear-learner")
    hosting.configure("narrow", at_most=1, model="wide")
    hosting.sagemaker.create_endpoint(EndpointName="narrow", EndpointConfigName="narrow")
    hosting.settled("narrow")
    assert b"score" in hosting.invoke("narrow", b"1")["Body"]
    (spec,) = hosting.server.data.glob("fleets/*/1/spec.json")
    assert json.loads(spec.read_text("utf-8"))["limits"]["memory_bytes"] == 1 << 30
    with pytest.raises(ClientError) as caught:
        hosting.invoke("narrow", b"1\n" * 1_000_000)
    told = caught.value.response
    assert told["Error"]["Code"] == "ModelError"
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    if told["OriginalStatusCode"] == 0:
        assert told["OriginalMessage"].startswith(
            "Amazon SageMaker could not get a response from the narrow endpoint."
        )
        # The request that killed a process is sent once more.
        until(lambda: killed_for_memory(hosting, "narrow") == 2)
    else:
        # Where the machine has no control groups, the process itself gets no more memory.
        assert told["OriginalStatusCode"] == 500
    assert b"score" in hosting.invoke("narrow", b"1")["Body"]
    assert hosting.sagemaker.describe_endpoint(EndpointName="narrow")["EndpointStatus"] == (
        "InService"
    )
    with pytest.raises(ClientError, match="larger than 4194304 bytes"):
        hosting.invoke("narrow", b"1\n" * (1 << 21) + b"1")


def test_serverless_becomes_instances_but_never_again(hosting: Serverless) -> None:
    hosting.create("less")
    hosting.configure("less-2", at_most=3)
    hosting.sagemaker.update_endpoint(EndpointName="less", EndpointConfigName="less-2")
    (variant,) = hosting.settled("less")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["MaxConcurrency"] == 3
    hosting.config("usual", {"ModelName": "centre"})
    hosting.sagemaker.update_endpoint(EndpointName="less", EndpointConfigName="usual")
    (variant,) = hosting.settled("less")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 1
    assert hosting.ask("less") == 5.0
    with pytest.raises(ClientError, match="ValidationException"):
        hosting.sagemaker.update_endpoint(EndpointName="less", EndpointConfigName="less-2")


def test_a_broken_model_fails_at_creation(hosting: Serverless) -> None:
    hosting.model("broken", archive({"model_algo-1": b"nonsense"}))
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "all", "ModelName": "broken", "ServerlessConfig": config}
    create = hosting.sagemaker.create_endpoint_config
    create(EndpointConfigName="broken", ProductionVariants=[variant])
    hosting.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="broken")
    assert "ping" in hosting.settled("broken", "Failed")["FailureReason"]
