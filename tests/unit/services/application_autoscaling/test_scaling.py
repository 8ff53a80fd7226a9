"""From alarms and bounds to activities: what is scaled, once, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import MetricDatum

from .conftest import ACCOUNT, REGION, Scene

Scenario = Callable[[Callable[[Scene], Any]], None]


def history(scene: Scene, name: str) -> list[str]:
    """Return what an alarm's actions came to."""
    rows = scene.platform.db.all(
        "SELECT summary FROM alarms_history WHERE name = ? AND type = 'Action' ORDER BY id", (name,)
    )
    return [row["summary"] for row in rows]


def test_an_alarm_scales_through_a_policy(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        policy = scene.step("up", 2)
        scene.alarm("busy", policy)
        scene.variant.gate.clear()
        await scene.fire("busy", 5.0)
        (activity,) = scene.activities()
        assert activity["StatusCode"] == "InProgress"
        assert activity["Description"] == "Setting desired instance count to 3."
        assert activity["Cause"] == "monitor alarm busy in state ALARM triggered policy up"
        assert "EndTime" not in activity
        await scene.advance(7)
        scene.variant.gate.set()
        await scene.settle()
        (activity,) = scene.activities()
        assert activity["StatusCode"] == "Successful"
        assert activity["EndTime"] - activity["StartTime"] == 7
        assert activity["StatusMessage"] == (
            "Successfully set desired instance count to 3. Change successfully fulfilled by"
            " sagemaker."
        )
        assert history(scene, "busy") == [f"Successfully executed action {policy}"]

    scenario(body)


def test_alarms_of_one_moment_are_decided_upon_together(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.alarm("busy", scene.step("little", 1), scene.step("much", 4), scene.step("some", 2))
        await scene.fire("busy", 5.0)
        assert scene.variant.sets == [5]
        (activity,) = scene.activities()
        assert activity["Cause"].endswith("triggered policy much")

    scenario(body)


def test_a_killed_server_goes_on_where_it_was(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.alarm("busy", scene.step("up", 2))
        scene.variant.gate.clear()
        await scene.fire("busy", 5.0)
        await scene.restart()
        (activity,) = scene.activities()
        assert activity["StatusCode"] == "InProgress"
        scene.variant.gate.set()
        await scene.settle()
        (activity,) = scene.activities()
        assert activity["StatusCode"] == "Successful"
        assert scene.variant.sets == [3]

    scenario(body)


def test_what_an_alarm_asked_for_before_a_kill_is_decided_after_it(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.step("up", 2)
        with scene.platform.db.transaction():
            scene.platform.db.execute(
                "INSERT INTO autoscaling_triggers (policy_id, alarm, state, points, threshold,"
                " above) VALUES (1, 'busy', 'ALARM', '[5.0]', 0.0, 1)"
            )
        await scene.restart()
        await scene.settle()
        assert scene.variant.sets == [3]
        await scene.restart()
        await scene.settle()
        assert scene.variant.sets == [3]

    scenario(body)


def test_failures_are_told_with_their_reason(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.trouble = ApiError("ResourceLimitExceeded", "No more.")
        scene.register(minimum=2)
        scene.variant.trouble, scene.variant.undone = None, "out of luck"
        scene.register(minimum=3)
        await scene.settle()
        refused, undone = scene.activities()
        assert {refused["StatusCode"], undone["StatusCode"]} == {"Failed"}
        assert refused["StatusMessage"].startswith(
            "Failed to set desired instance count to 2. Reason: No more. (Service: AmazonSageMaker;"
            " Status Code: 400; Error Code: ResourceLimitExceeded; Request ID: "
        )
        told = "Failed to set desired instance count to 3. Reason: out of luck"
        assert undone["StatusMessage"] == told

    scenario(body)


def test_a_resource_that_went_fails_its_activity(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.gate.clear()
        scene.register(minimum=2)
        scene.variant.exists = False
        scene.variant.gate.set()
        await scene.settle()
        (activity,) = scene.activities()
        assert activity["StatusCode"] == "Failed"
        assert "does not exist" in activity["StatusMessage"]

    scenario(body)


def test_cooldowns_hold_back_but_for_more(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        small, large = scene.step("small", 2, Cooldown=100), scene.step("large", 3, Cooldown=100)
        scene.alarm("small", small)
        scene.alarm("large", large)
        await scene.fire("small", 1.0)
        await scene.fire("small", 1.0)
        assert scene.variant.sets == [3]
        # What the first has added is part of what the larger one adds.
        await scene.fire("large", 1.0)
        assert scene.variant.sets == [3, 4]
        await scene.advance(99)
        await scene.fire("large", 1.0)
        assert scene.variant.sets == [3, 4]
        scene.set_alarm("large", state="OK")
        await scene.advance(2)
        await scene.fire("small", 1.0)
        assert scene.variant.sets == [3, 4, 6]

    scenario(body)


def test_scale_in_waits_for_its_cooldown_and_a_scale_out_ends_it(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.current = scene.variant.desired = 8
        scene.register()
        scene.alarm("less", scene.step("less", -1, Cooldown=100))
        scene.alarm("more", scene.step("more", 1, Cooldown=0))
        await scene.fire("less", 1.0)
        await scene.fire("less", 1.0)
        assert scene.variant.sets == [7]
        await scene.fire("more", 1.0)
        await scene.fire("less", 1.0)
        assert scene.variant.sets == [7, 8, 7]

    scenario(body)


def test_what_does_not_scale_is_told_once(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register(maximum=1)
        scene.alarm("busy", scene.step("up", 1))
        for _ in range(3):
            await scene.fire("busy", 5.0)
        assert scene.activities() == []
        (activity,) = scene.activities(IncludeNotScaledActivities=True)
        assert activity["NotScaledReasons"] == [
            {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 1, "CurrentCapacity": 1}
        ]
        scene.register(maximum=3)
        scene.variant.busy = True
        await scene.fire("busy", 5.0)
        activity = scene.activities(IncludeNotScaledActivities=True)[-1]
        assert activity["NotScaledReasons"] == [{"Code": "TargetServicePutResourceAsUnscalable"}]
        assert scene.variant.sets == []

    scenario(body)


def test_an_action_that_cannot_be_is_told_in_the_alarms_history(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        policy = scene.step("up", 1)
        scene.alarm("silent", policy)
        await scene.fire("silent")
        scene.alarm("lost", f"{policy}-that-is-none")
        await scene.fire("lost", 1.0)
        assert history(scene, "silent") == [f"Failed to execute action {policy}"]
        assert history(scene, "lost") == [f"Failed to execute action {policy}-that-is-none"]
        assert scene.variant.sets == []

    scenario(body)


@pytest.mark.parametrize(
    ("suspended", "expected"),
    [("DynamicScalingOutSuspended", [7]), ("DynamicScalingInSuspended", [9])],
)
def test_what_is_suspended_is_not_done(
    scenario: Scenario, suspended: str, expected: list[int]
) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.current = scene.variant.desired = 8
        scene.register(SuspendedState={suspended: True})
        scene.alarm("more", scene.step("more", 1))
        scene.alarm("less", scene.step("less", -1))
        await scene.fire("more", 1.0)
        await scene.fire("less", 1.0)
        assert scene.variant.sets == expected

    scenario(body)


def test_what_is_still_being_counted_is_not_quiet(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.track()
        metrics = scene.platform.metrics
        dimensions = {"EndpointName": "e", "VariantName": "v"}
        place = (ACCOUNT, REGION, "AWS/SageMaker")
        name = "InvocationsPerInstance"
        minute = scene.clock.now() // 60 * 60 + 60
        counted = [MetricDatum(name, dimensions, minute + 1, value=5.0)]

        def store() -> None:
            data, counted[:] = counted[:], []
            metrics.put(*place, data)

        metrics.before_read.append(store)
        await scene.advance(120)
        window = {"start": minute, "end": minute + 60, "period_s": 60}
        (bucket,) = metrics.statistics(*place, name, dimensions, **window)
        assert (bucket.count, bucket.sum) == (1, 5.0)

    scenario(body)


def test_quiet_minutes_are_zeros_and_scale_in(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.current = scene.variant.desired = 4
        scene.register()
        _, low = (alarm["AlarmName"] for alarm in scene.track()["Alarms"])
        for _ in range(15):
            await scene.advance(60)
        assert scene.variant.sets == []
        for _ in range(3):
            await scene.advance(60)
        assert scene.variant.sets == [1]
        assert scene.platform.alarms.state(ACCOUNT, REGION, low) == "ALARM"
        values = scene.platform.metrics.statistics(
            ACCOUNT,
            REGION,
            "AWS/SageMaker",
            "InvocationsPerInstance",
            {"EndpointName": "e", "VariantName": "v"},
            start=0,
            end=scene.clock.now(),
            period_s=60,
        )
        assert {(bucket.count, bucket.sum) for bucket in values} == {(1, 0)}

    scenario(body)


def test_quiet_minutes_of_a_step_policy_are_zeros_too(scenario: Scenario) -> None:
    """Its alarms are the user's own, and the low one sees the end of traffic by them."""

    async def body(scene: Scene) -> None:
        scene.register()
        scene.step("up", 1)
        for _ in range(3):
            await scene.advance(60)
        values = scene.platform.metrics.statistics(
            *(ACCOUNT, REGION, "AWS/SageMaker", "InvocationsPerInstance"),
            {"EndpointName": "e", "VariantName": "v"},
            start=0,
            end=scene.clock.now(),
            period_s=60,
        )
        assert [(bucket.count, bucket.sum) for bucket in values] == [(1, 0)] * len(values)
        assert values

    scenario(body)


def test_concurrent_requests_are_tracked(scenario: Scenario) -> None:
    """As AWS's notebook on faster scaling has it: more than five at once for three minutes."""

    async def body(scene: Scene) -> None:
        scene.register()
        kind = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        high, _ = scene.track(
            value=5.0, PredefinedMetricSpecification={"PredefinedMetricType": kind}
        )["Alarms"]
        for _ in range(4):
            datum = MetricDatum(
                "ConcurrentRequestsPerModel",
                {"EndpointName": "e", "VariantName": "v"},
                scene.clock.now(),
                12.0,
            )
            scene.platform.metrics.put(ACCOUNT, REGION, "AWS/SageMaker", [datum])
            await scene.advance(60)
        assert scene.platform.alarms.state(ACCOUNT, REGION, high["AlarmName"]) == "ALARM"
        assert scene.variant.sets == [3]

    scenario(body)


def test_metric_mathematics_is_tracked(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        queue = {"Metric": {"MetricName": "queue", "Namespace": "N"}, "Stat": "Sum"}
        scene.call(
            "PutScalingPolicy",
            PolicyName="half",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 10.0,
                "CustomizedMetricSpecification": {
                    "Metrics": [
                        {"Id": "queue", "MetricStat": queue, "ReturnData": False},
                        {"Id": "half", "Expression": "queue / 2"},
                    ]
                },
            },
        )
        for _ in range(4):
            datum = MetricDatum("queue", value=50.0)
            scene.platform.metrics.put(ACCOUNT, REGION, "N", [datum])
            await scene.advance(60)
        assert scene.variant.sets == [3]

    scenario(body)


def test_activities_come_in_pages_the_latest_first(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        for bound in (2, 3, 4):
            scene.register(minimum=bound)
            await scene.settle()
        first = scene.call("DescribeScalingActivities", MaxResults=2)
        token = first["NextToken"]
        rest = scene.call("DescribeScalingActivities", MaxResults=2, NextToken=token)
        told = [one["Cause"][-1] for one in first["ScalingActivities"] + rest["ScalingActivities"]]
        assert told == ["4", "3", "2"]
        assert "NextToken" not in rest
        await scene.advance(43 * 86_400)
        scene.register(minimum=5)
        await scene.settle()
        assert len(scene.activities()) == 1

    scenario(body)
