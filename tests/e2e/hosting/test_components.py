"""Inference components through unmodified boto3: several models on one endpoint's instances."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import IMAGES, ROLE, Hosting, archive
from tests.e2e.hosting.steering import crash
from tests.e2e.hosting.test_multi_model import processes

from sagebrush.algorithms.kmeans.artifact import write_centers
from sagebrush.launch import PrivateServer

LIMIT_S = 40.0
Refused = Callable[..., tuple[str, str]]


class Scene(Hosting):
    """One account, one endpoint without models, and the components on it."""

    def host(self, name: str, count: int = 1, **fields: Any) -> None:
        """Create an endpoint of instances with 2 virtual CPUs and 8 GiB each."""
        variant = {
            "VariantName": "AllTraffic",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        } | fields
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ExecutionRoleArn=ROLE, ProductionVariants=[variant]
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settled(name)

    def create(
        self, name: str, endpoint: str, copies: int = 1, memory_mb: int = 1024, **spec: Any
    ) -> None:
        given = spec or {"ModelName": name}
        given["ComputeResourceRequirements"] = {"MinMemoryRequiredInMb": memory_mb}
        self.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName=endpoint,
            VariantName="AllTraffic",
            Specification=given,
            RuntimeConfig={"CopyCount": copies},
        )

    def ready(self, name: str, status: str = "InService") -> Any:
        """Return the description of a component once nothing of it is under way."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            told = self.sagemaker.describe_inference_component(InferenceComponentName=name)
            if told["InferenceComponentStatus"] not in ("Creating", "Updating"):
                assert told["InferenceComponentStatus"] == status, told
                return told
            time.sleep(0.02)
        raise AssertionError(told)

    def copies(self, name: str, number: int) -> Any:
        self.sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": number}
        )
        return self.ready(name)

    def ask(self, endpoint: str, component: str, body: str = "3,4") -> float:
        answer = self.invoke(endpoint, body, InferenceComponentName=component)
        (prediction,) = json.loads(answer["Body"])["predictions"]
        return float(prediction.get("score", prediction.get("distance_to_cluster")))

    def removed(self, name: str) -> None:
        self.sagemaker.delete_inference_component(InferenceComponentName=name)
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            try:
                self.sagemaker.describe_inference_component(InferenceComponentName=name)
            except ClientError:
                return
            time.sleep(0.02)
        raise AssertionError(name)

    def metric(self, component: str, name: str, statistic: str = "Sum") -> float:
        now = datetime.now(UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return float(found[0][statistic]) if found else 0.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    with PrivateServer(folder / "server") as server:
        scene = Scene(server, folder)
        scene.model("linear", scene.linear([1.0, 2.0], 0.5, "regressor"), "linear-learner")
        scene.model("linear-2", scene.linear([10.0, 20.0], 5.0, "regressor"), "linear-learner")
        scene.model("kmeans", scene.kmeans((0.0, 0.0)))
        yield scene


@pytest.fixture
def refused() -> Refused:
    """Return a function that gives code and message of the error a call ends in."""

    def of(call: Callable[..., Any], *given: Any, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(*given, **request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return of


def test_two_models_on_one_endpoint(scene: Scene, refused: Refused) -> None:
    scene.host("two")
    code, message = refused(scene.invoke, "two", "3,4")
    assert code == "ValidationError"
    assert message.startswith("Inference Component Name header is required for endpoints to which")
    assert refused(scene.ask, "two", "nobody") == (
        "ValidationError",
        "Inference component nobody is not found in endpoint two.",
    )
    scene.create("linear", "two")
    container = {
        "Image": IMAGES["kmeans"],
        "ArtifactUrl": f"s3://{scene.bucket}/kmeans.tar.gz",
    }
    scene.create("groups", "two", copies=2, Container=container)
    told = scene.ready("linear")
    assert told["RuntimeConfig"] == {
        "DesiredCopyCount": 1,
        "CurrentCopyCount": 1,
        "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 1}],
    }
    scene.ready("groups")
    assert scene.ask("two", "linear") == 11.5
    assert scene.ask("two", "groups") == 5.0
    told = scene.ready("groups")
    assert told["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == IMAGES["kmeans"]
    listed = scene.sagemaker.list_inference_components(EndpointNameEquals="two", SortBy="Name")
    names = [each["InferenceComponentName"] for each in listed["InferenceComponents"]]
    assert names == ["linear", "groups"]
    assert scene.metric("linear", "Invocations") == 1.0
    parts = scene.runtime.invoke_endpoint_with_response_stream(
        EndpointName="two",
        InferenceComponentName="linear",
        ContentType="text/csv",
        Accept="application/json",
        Body="3,4",
    )["Body"]
    streamed = b"".join(each["PayloadPart"]["Bytes"] for each in parts)
    assert json.loads(streamed)["predictions"][0]["score"] == 11.5
    for _ in range(3):
        scene.ask("two", "groups")
    assert scene.metric("groups", "Invocations") == 4.0
    assert scene.metric("groups", "InvocationsPerCopy") == 2.0
    assert scene.metric("groups", "ConcurrentRequestsPerCopy", "Maximum") == 0.5
    with pytest.raises(ClientError) as caught:
        scene.ask("two", "linear", "no number")
    assert caught.value.response["LogStreamArn"].endswith(
        "log-group:/aws/sagemaker/InferenceComponents/linear"
    )
    code, message = refused(scene.sagemaker.delete_endpoint, EndpointName="two")
    assert (code, "inference components" in message) == ("ValidationException", True)
    scene.removed("linear")
    assert refused(scene.ask, "two", "linear")[0] == "ValidationError"
    scene.removed("groups")
    scene.sagemaker.delete_endpoint(EndpointName="two")
    scene.gone("two")


def test_scaled_to_nothing_and_back(scene: Scene, refused: Refused) -> None:
    scene.host("zero", ManagedInstanceScaling={"MinInstanceCount": 0, "MaxInstanceCount": 2})
    scene.create("empty", "zero", ModelName="linear")
    scene.ready("empty")
    before = len(processes(scene.server))
    told = scene.copies("empty", 0)
    assert told["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    assert len(processes(scene.server)) == before - 1
    (variant,) = scene.sagemaker.describe_endpoint(EndpointName="zero")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 0
    code, message = refused(scene.ask, "zero", "empty")
    assert code == "ValidationError"
    assert message.startswith("Inference Component has no capacity to process this request.")
    assert scene.metric("empty", "NoCapacityInvocationFailures") == 1.0
    scene.copies("empty", 1)
    assert scene.ask("zero", "empty") == 11.5
    scene.removed("empty")


def test_updated_under_load_without_a_lost_request(scene: Scene) -> None:
    scene.host("load", 2)
    scene.create("busy", "load", copies=2, ModelName="linear")
    scene.ready("busy")
    seen: list[float] = []
    failures: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                seen.append(scene.ask("load", "busy"))
            except ClientError as error:
                failures.append(error)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for copies in (3, 1, 2):
            scene.copies("busy", copies)
        one = {"Type": "COPY_COUNT", "Value": 1}
        scene.sagemaker.update_inference_component(
            InferenceComponentName="busy",
            Specification={"ModelName": "linear-2"},
            DeploymentConfig={
                "RollingUpdatePolicy": {"MaximumBatchSize": one, "WaitIntervalInSeconds": 0}
            },
        )
        scene.ready("busy")
        number = len(seen)
        give_up = time.monotonic() + LIMIT_S
        while len(seen) < number + 20 and time.monotonic() < give_up:
            time.sleep(0.01)
    finally:
        over.set()
        for client in clients:
            client.join()
    assert failures == []
    assert set(seen) == {11.5, 115.0}
    assert seen[-4:] == [115.0] * 4
    scene.removed("busy")


def test_copies_outlive_a_killed_server(scene: Scene) -> None:
    scene.host("killed")
    scene.create("one", "killed", ModelName="linear")
    scene.create("other", "killed", copies=2, ModelName="kmeans")
    scene.ready("one")
    scene.ready("other")
    before = set(processes(scene.server))
    crash(scene.server)
    scene.again()
    assert scene.ask("killed", "one") == 11.5
    assert scene.ask("killed", "other") == 5.0
    assert set(processes(scene.server)) == before
    told = scene.ready("other")
    assert told["RuntimeConfig"]["CurrentCopyCount"] == 2
    for name in ("one", "other"):
        scene.removed(name)


def test_memory_is_what_a_copy_may_have_at_most(scene: Scene, tmp_path: Path) -> None:
    write_centers(tmp_path / "centers", np.zeros((40, 1_000_000), np.float32))
    body = archive({"model_algo-1": (tmp_path / "centers").read_bytes()}, level=1)
    scene.model("huge", body)
    scene.host("small")
    for name, most_mb, status in (("starved", 128, "Failed"), ("fed", 2048, "InService")):
        required = {"MinMemoryRequiredInMb": 128, "MaxMemoryRequiredInMb": most_mb}
        scene.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName="small",
            VariantName="AllTraffic",
            Specification={"ModelName": "huge", "ComputeResourceRequirements": required},
            RuntimeConfig={"CopyCount": 1},
        )
        told = scene.ready(name, status)
        assert ("did not pass the ping health check" in told.get("FailureReason", "")) == (
            status == "Failed"
        )
        scene.removed(name)


def test_a_model_that_does_not_load_says_why_in_its_own_log(scene: Scene) -> None:
    scene.model("broken", archive({"README": b"no model"}))
    scene.host("mute")
    scene.create("broken", "mute")
    told = scene.ready("broken", "Failed")
    assert told["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 0}
    (stream,) = scene.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/InferenceComponents/broken"
    )["logStreams"]
    assert stream["logStreamName"].startswith("AllTraffic/i-0")
    scene.removed("broken")


def test_scaled_automatically(scene: Scene) -> None:
    scene.host("auto")
    scene.create("elastic", "auto", ModelName="linear")
    scene.ready("elastic")
    scaling = scene.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/elastic",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=4)
    scaling.put_scheduled_action(
        **target,
        ScheduledActionName="now",
        Schedule=f"at({datetime.now(UTC) + timedelta(seconds=2):%Y-%m-%dT%H:%M:%S})",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 4},
    )
    give_up = time.monotonic() + LIMIT_S
    while scene.ready("elastic")["RuntimeConfig"]["CurrentCopyCount"] != 2:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    tracked = scaling.put_scaling_policy(
        **target,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
            },
        },
    )
    names = [alarm["AlarmName"] for alarm in tracked["Alarms"]]
    alarms = scene.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert all(alarm["MetricName"] == "InvocationsPerCopy" for alarm in alarms)
    scene.removed("elastic")
    assert not scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
