"""Inference components through unmodified boto3: several models on one endpoint's instances."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import IMAGES, ROLE, Hosting

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
