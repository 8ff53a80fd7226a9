"""Endpoints that scale, through unmodified boto3: real requests, real alarms, real instances.

The server's clock stands still unless a test moves it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
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

    def step(self, name: str, policy: str, *steps: dict[str, Any], **more: Any) -> str:
        """Put a step scaling policy that changes capacity; return its ARN."""
        answer = self.scaling.put_scaling_policy(
            PolicyName=policy,
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": steps,
                **more,
            },
            **self.target(name),
        )
        return str(answer["PolicyARN"])

    def alarm(self, name: str, metric: str, policy: str, **more: Any) -> None:
        """Put an alarm on the caller's metric `metric` that invokes a policy when it is above 0."""
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            MetricName=metric,
            Statistic="Maximum",
            **{
                "Namespace": self.account,
                "Period": MINUTE_S,
                "EvaluationPeriods": 1,
                "Threshold": 0.0,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [policy],
                **more,
            },
        )

    def tell(self, metric: str, value: float) -> None:
        """Put a value of the caller's metric and let its minute pass, and the next."""
        stamp = datetime.fromtimestamp(clock(self.server)["now_s"], UTC)
        data = [{"MetricName": metric, "Value": value, "Timestamp": stamp}]
        self.cloudwatch.put_metric_data(Namespace=self.account, MetricData=data)
        assert clock(self.server, advance_s=MINUTE_S)["unsettled"] == []

    @functools.cached_property
    def cloudwatch(self) -> Any:
        """A client of CloudWatch."""
        return self.client("cloudwatch")

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

    def minutes_alone(self, name: str, count: int) -> None:
        """Let minutes pass, with one invocation in each."""
        for _ in range(count):
            self.invoke(name)
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


def test_steps_follow_the_breach_and_cool_down(hosting: Scaled) -> None:
    hosting.endpoint("stepped", {"ModelName": "centre"})
    hosting.register("stepped", 1, 6)
    steps = (
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
    )
    more = hosting.step("stepped", "more", *steps, Cooldown=300)
    hosting.alarm("pressure", "pressure", more)
    hosting.tell("pressure", 5)
    assert hosting.instances("stepped") == 2
    hosting.tell("pressure", 5)
    assert hosting.instances("stepped") == 2
    # A larger step counts from before the first one: 1 + 3.
    hosting.tell("pressure", 15)
    assert hosting.instances("stepped") == 4
    clock(hosting.server, advance_s=310)
    hosting.tell("pressure", 15)
    assert hosting.instances("stepped") == 6
    (described,) = hosting.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")[
        "ScalingPolicies"
    ]
    assert [alarm["AlarmName"] for alarm in described["Alarms"]] == ["pressure"]
    assert [one["Description"][-2:] for one in hosting.activities("stepped")] == ["2.", "4.", "6."]


def test_a_suspended_target_is_left_alone(hosting: Scaled) -> None:
    hosting.endpoint("still", {"ModelName": "centre"})
    hosting.register("still", 1, 3, SuspendedState={"DynamicScalingOutSuspended": True})
    up = hosting.step("still", "up", {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1})
    hosting.alarm("on", "on", up)
    hosting.tell("on", 1)
    assert hosting.instances("still") == 1
    hosting.register("still", 1, 3, SuspendedState={"DynamicScalingOutSuspended": False})
    hosting.tell("on", 1)
    assert hosting.instances("still") == 2
    assert len(hosting.activities("still")) == 1


def test_bounds_and_schedules_move_capacity(hosting: Scaled) -> None:
    hosting.endpoint("planned", {"ModelName": "centre"})
    hosting.register("planned", 2, 3)
    assert hosting.instances("planned") == 2
    assert hosting.activities("planned")[0]["Cause"] == "minimum capacity was set to 2"
    now = clock(hosting.server)["now_s"]
    at = datetime.fromtimestamp(now + 3600, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
    for name, schedule, bounds in (
        ("once", at, {"MinCapacity": 3, "MaxCapacity": 4}),
        ("often", "rate(2 hours)", {"MinCapacity": 1, "MaxCapacity": 1}),
    ):
        hosting.scaling.put_scheduled_action(
            ScheduledActionName=name,
            Schedule=schedule,
            ScalableTargetAction=bounds,
            **hosting.target("planned"),
        )
    with pytest.raises(ClientError, match=r"ValidationException.* is in the past"):
        hosting.scaling.put_scheduled_action(
            ScheduledActionName="late",
            Schedule=datetime.fromtimestamp(now - 60, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)"),
            ScalableTargetAction={"MinCapacity": 1},
            **hosting.target("planned"),
        )
    crash(hosting.server)
    hosting.again()
    hosting.settled("planned")
    clock(hosting.server, advance_s=3605)
    assert hosting.instances("planned") == 3
    clock(hosting.server, advance_s=3600)
    assert hosting.instances("planned") == 1
    told = [one["Cause"] for one in hosting.activities("planned")]
    assert told[1:] == [
        "scheduled action name once was triggered",
        "minimum capacity was set to 3",
        "scheduled action name often was triggered",
        "maximum capacity was set to 1",
    ]
    messages = [one["StatusMessage"] for one in hosting.activities("planned")]
    assert messages[1] == "Successfully set min capacity to 3 and max capacity to 4"


def test_what_cannot_be_had_fails_with_its_reason(hosting: Scaled) -> None:
    hosting.endpoint("poor", {"ModelName": "centre"})
    control(hosting.server, "faults", kind="capacity", target="endpoint/poor")
    hosting.register("poor", 2, 3)
    clock(hosting.server, advance_s=1)
    assert hosting.instances("poor") == 1
    (failed,) = hosting.activities("poor")
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"].startswith("Failed to set desired instance count to 2. Reason: ")


def test_a_killed_server_scales_once(hosting: Scaled) -> None:
    hosting.endpoint("killed", {"ModelName": "centre"})
    hosting.register("killed", 2, 3)
    crash(hosting.server)
    hosting.again()
    assert hosting.instances("killed") == 2
    (activity,) = hosting.activities("killed")
    assert activity["StatusCode"] == "Successful"


def test_an_idle_asynchronous_endpoint_goes_to_zero_and_comes_back(hosting: Scaled) -> None:
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName="queued",
        ProductionVariants=[
            {
                "VariantName": "variant-0",
                "ModelName": "centre",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{hosting.bucket}/out/"}},
    )
    hosting.sagemaker.create_endpoint(EndpointName="queued", EndpointConfigName="queued")
    hosting.settled("queued")
    hosting.register("queued", 0, 2)
    backlog = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "queued"}],
        "Statistic": "Average",
    }
    hosting.scaling.put_scaling_policy(
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": backlog,
            "ScaleInCooldown": 60,
            "ScaleOutCooldown": 60,
        },
        **hosting.target("queued"),
    )
    wake = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    hosting.alarm(
        "waiting",
        "HasBacklogWithoutCapacity",
        hosting.step("queued", "wake", wake),
        Namespace="AWS/SageMaker",
        Dimensions=backlog["Dimensions"],
        EvaluationPeriods=2,
        DatapointsToAlarm=2,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    hosting.minutes("queued", 18)
    assert hosting.instances("queued") == 0
    location = hosting.runtime.invoke_endpoint_async(
        EndpointName="queued",
        InputLocation=hosting.upload("in", b"3,4"),
        ContentType="text/csv",
    )["OutputLocation"]
    hosting.minutes("queued", 4)
    assert hosting.instances("queued") == 1
    key = location.removeprefix(f"s3://{hosting.bucket}/")
    waiter = hosting.client("s3").get_waiter("object_exists")
    waiter.wait(Bucket=hosting.bucket, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    hosting.minutes("queued", 20)
    assert hosting.instances("queued") == 0


def test_the_largest_capacity_wins_and_all_must_agree_to_scale_in(hosting: Scaled) -> None:
    hosting.endpoint("two", {"ModelName": "centre"})
    hosting.register("two", 1, 5)
    hosting.track("two", ScaleInCooldown=0)
    custom = {"Namespace": hosting.account, "MetricName": "queue", "Statistic": "Average"}
    hosting.scaling.put_scaling_policy(
        PolicyName="queue",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 2.0,
            "CustomizedMetricSpecification": custom,
            "ScaleInCooldown": 0,
        },
        **hosting.target("two"),
    )
    for _ in range(4):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: hosting.invoke("two"), range(15)))
        hosting.tell("queue", 8.0)
    assert hosting.instances("two") == 4
    assert [one["Cause"][-5:] for one in hosting.activities("two")] == ["queue"]
    # Without requests one policy would scale in; the other, at its target, keeps what there is.
    for _ in range(18):
        hosting.tell("queue", 2.0)
    assert hosting.instances("two") == 4
    for _ in range(18):
        hosting.tell("queue", 1.0)
        if hosting.instances("two") != 4:
            break
    assert hosting.instances("two") == 2


def test_a_deleted_endpoint_is_no_target_any_more(hosting: Scaled) -> None:
    hosting.endpoint("brief", {"ModelName": "centre"})
    hosting.register("brief", 1, 2)
    alarms = hosting.track("brief")
    hosting.sagemaker.delete_endpoint(EndpointName="brief")
    listed = hosting.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert listed["ScalableTargets"] == []
    assert not hosting.cloudwatch.describe_alarms(AlarmNames=alarms)["MetricAlarms"]
    hosting.gone("brief")


def test_provisioned_concurrency_scales(hosting: Scaled) -> None:
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName="warm",
        ProductionVariants=[
            {
                "VariantName": "variant-0",
                "ModelName": "centre",
                "ServerlessConfig": {
                    "MemorySizeInMB": 1024,
                    "MaxConcurrency": 3,
                    "ProvisionedConcurrency": 1,
                },
            }
        ],
    )
    hosting.sagemaker.create_endpoint(EndpointName="warm", EndpointConfigName="warm")
    hosting.settled("warm")
    dimension = {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
    target = hosting.target("warm") | dimension
    hosting.scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=3)
    (variant,) = hosting.settled("warm")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 2
    use = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    hosting.scaling.put_scaling_policy(
        PolicyName="use",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.4,
            "PredefinedMetricSpecification": use,
        },
        **target,
    )
    # One request at a time uses half of two.
    hosting.minutes_alone("warm", 4)
    (variant,) = hosting.settled("warm")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 3
    told = hosting.scaling.describe_scaling_activities(**target)["ScalingActivities"]
    assert told[0]["Description"] == "Setting desired provisioned concurrency to 3."


def test_a_server_killed_while_an_alarm_scales_does_so_once(hosting: Scaled) -> None:
    hosting.endpoint("hit", {"ModelName": "centre"})
    hosting.register("hit", 1, 6)
    up = hosting.step("hit", "up", {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2})
    hosting.alarm("hit", "hits", up)
    stamp = datetime.fromtimestamp(clock(hosting.server)["now_s"], UTC)
    data = [{"MetricName": "hits", "Value": 1.0, "Timestamp": stamp}]
    hosting.cloudwatch.put_metric_data(Namespace=hosting.account, MetricData=data)
    # The step is not waited for: the server dies while instances come up.
    assert clock(hosting.server, advance_s=MINUTE_S, limit_s=0.05)["unsettled"]
    crash(hosting.server)
    hosting.again()
    assert hosting.instances("hit") == 3
    clock(hosting.server, advance_s=MINUTE_S)
    assert hosting.instances("hit") == 3
    (activity,) = hosting.activities("hit")
    assert activity["StatusCode"] == "Successful"
    assert activity["Description"] == "Setting desired instance count to 3."
