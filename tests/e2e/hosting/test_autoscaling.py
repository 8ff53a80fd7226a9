"""Endpoints that scale, through unmodified boto3: real requests, real alarms, real instances.

The server's clock stands still unless a test moves it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.endpoints.conftest import Hosting
from tests.e2e.hosting.steering import clock, control, crash

from sagebrush.launch import PrivateServer

MINUTE_S = 60
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
TRACKED = {
    "TargetValue": 10.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
}


class Scaled(Hosting):
    """One account's endpoint with a scalable target."""

    @functools.cached_property
    def scaling(self) -> Any:
        """A client of Application Auto Scaling."""
        return self.client("application-autoscaling")

    def target(self, name: str) -> dict[str, str]:
        """Return what names an endpoint's variant as a scalable target."""
        resource = f"endpoint/{name}/variant/variant-0"
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": resource,
            "ScalableDimension": DIMENSION,
        }

    def register(self, name: str, minimum: int, maximum: int, **more: Any) -> None:
        """Register the variant of an endpoint."""
        bounds = {"MinCapacity": minimum, "MaxCapacity": maximum}
        self.scaling.register_scalable_target(**self.target(name), **bounds, **more)

    def track(self, name: str, policy: str = "track", **more: Any) -> list[str]:
        """Put a target tracking policy; return the names of its alarms."""
        answer = self.scaling.put_scaling_policy(
            PolicyName=policy,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKED | more,
            **self.target(name),
        )
        return [alarm["AlarmName"] for alarm in answer["Alarms"]]

    def instances(self, name: str) -> int:
        """Return how many instances an endpoint has that has settled."""
        (variant,) = self.settled(name)["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"]
        return int(variant["CurrentInstanceCount"])

    def minutes(self, name: str, count: int, requests: int = 0) -> None:
        """Let minutes pass, with so many invocations in each."""
        for _ in range(count):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: self.invoke(name), range(requests)))
            assert clock(self.server, advance_s=MINUTE_S)["unsettled"] == []

    def activities(self, name: str, **more: Any) -> list[dict[str, Any]]:
        """Return the activities of an endpoint's variant, the oldest first."""
        found = self.scaling.describe_scaling_activities(**self.target(name), **more)
        return list(found["ScalingActivities"])[::-1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill, and whose clock stands still."""
    with PrivateServer(tmp_path_factory.mktemp("scale"), ("--clock", "stopped")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Iterator[Scaled]:
    scene = Scaled(server, tmp_path)
    scene.model("centre", scene.kmeans((0.0, 0.0)))
    yield scene
    control(server, "faults", "DELETE")
    for endpoint in scene.sagemaker.list_endpoints()["Endpoints"]:
        scene.settled(endpoint["EndpointName"])
        scene.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        scene.gone(endpoint["EndpointName"])


def test_load_scales_out_and_its_absence_in(hosting: Scaled) -> None:
    hosting.endpoint("busy", {"ModelName": "centre"})
    hosting.register("busy", 1, 4)
    high, low = hosting.track("busy")
    assert high.startswith("TargetTracking-endpoint/busy/variant/variant-0-AlarmHigh-")
    assert low.startswith("TargetTracking-endpoint/busy/variant/variant-0-AlarmLow-")
    hosting.minutes("busy", 2, requests=25)
    assert hosting.instances("busy") == 1
    hosting.minutes("busy", 2, requests=25)
    assert hosting.instances("busy") == 3
    (out,) = hosting.activities("busy")
    assert out["StatusCode"] == "Successful"
    assert out["Description"] == "Setting desired instance count to 3."
    assert out["Cause"] == f"monitor alarm {high} in state ALARM triggered policy track"
    assert out["StatusMessage"] == (
        "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker."
    )
    hosting.minutes("busy", 14)
    assert hosting.instances("busy") == 3
    hosting.minutes("busy", 3)
    assert hosting.instances("busy") == 1
    assert hosting.activities("busy")[-1]["Cause"].startswith(f"monitor alarm {low} in state")
    hosting.minutes("busy", 5)
    assert len(hosting.activities("busy")) == 2
    last = hosting.activities("busy", IncludeNotScaledActivities=True)[-1]
    assert last["NotScaledReasons"][0]["Code"] == "AlreadyAtMinCapacity"
