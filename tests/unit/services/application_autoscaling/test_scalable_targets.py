"""Scalable targets: registered within what their resource can have, described, tagged, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ACCOUNT, PLACE, REGION, Scene

Scenario = Callable[[Callable[[Scene], Any]], None]


def test_what_was_registered_is_described(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        arn = scene.register(1, 4)["ScalableTargetARN"]
        prefix = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/"
        assert arn.startswith(prefix)
        assert len(arn) - len(prefix) == 34
        (target,) = scene.call("DescribeScalableTargets", ResourceIds=[PLACE["ResourceId"]])[
            "ScalableTargets"
        ]
        assert target == PLACE | {
            "MinCapacity": 1,
            "MaxCapacity": 4,
            "RoleARN": (
                f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/"
                "sagemaker.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
            ),
            "CreationTime": scene.clock.now(),
            "SuspendedState": {
                "DynamicScalingInSuspended": False,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
            "ScalableTargetARN": arn,
        }

    scenario(body)


def test_an_update_changes_only_what_it_says(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        arn = scene.register(1, 4)["ScalableTargetARN"]
        answer = scene.call(
            "RegisterScalableTarget",
            MaxCapacity=6,
            SuspendedState={"ScheduledScalingSuspended": True},
        )
        assert answer["ScalableTargetARN"] == arn
        found = scene.call("DescribeScalableTargets", ResourceIds=[PLACE["ResourceId"]])
        (target,) = found["ScalableTargets"]
        assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 6)
        assert target["SuspendedState"]["ScheduledScalingSuspended"] is True
        assert target["SuspendedState"]["DynamicScalingInSuspended"] is False

    scenario(body)


def test_capacity_is_brought_within_the_bounds(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register(3, 4)
        await scene.settle()
        scene.register(1, 2)
        await scene.settle()
        scene.register(1, 2)
        assert scene.variant.sets == [3, 2]
        causes = [activity["Cause"] for activity in scene.activities()]
        assert causes == ["minimum capacity was set to 3", "maximum capacity was set to 2"]

    scenario(body)


def test_an_inactive_resource_keeps_its_capacity(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.busy = True
        scene.register(3, 4)
        await scene.settle()
        assert scene.variant.sets == []

    scenario(body)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"MinCapacity": 5}, "Maximum capacity cannot be less than minimum capacity."),
        ({"MinCapacity": 0}, "must be at least 1"),
        ({"MinCapacity": -1}, "must not be negative"),
        ({"ResourceId": "endpoint/e/variant/other"}, "No resource endpoint/e/variant/other"),
        ({"ServiceNamespace": "ecs"}, "does not support the service namespace ecs"),
        ({"ScalableDimension": "ecs:service:DesiredCount"}, "Unsupported service namespace"),
        (
            {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"},
            "does not support the scalable dimension",
        ),
        ({"Tags": {"aws:a": "b"}}, "reserved"),
        ({"Tags": {str(n): "" for n in range(51)}}, "at most 50 tags"),
    ],
)
def test_what_no_target_can_be(scenario: Scenario, change: dict[str, Any], words: str) -> None:
    async def body(scene: Scene) -> None:
        scene.platform.capacities._loaders = {
            name: load
            for name, load in scene.platform.capacities._loaders.items()
            if not name.startswith("sagemaker:inference")
        }
        request = {"MinCapacity": 1, "MaxCapacity": 4} | change
        code, message = scene.refusal("RegisterScalableTarget", **request)
        assert code == "ValidationException"
        assert words in message

    scenario(body)


def test_a_new_target_needs_both_bounds_and_an_old_one_takes_no_tags(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        code, message = scene.refusal("RegisterScalableTarget", MinCapacity=1)
        assert code == "ValidationException"
        assert "MaxCapacity" in message
        scene.register(Tags={"a": "1"})
        _, message = scene.refusal("RegisterScalableTarget", Tags={"b": "2"})
        assert "use the TagResource API" in message

    scenario(body)


def test_asynchronous_resources_may_go_to_zero(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.variant.lowest = 0
        scene.register(0, 4)
        scene.register(0, 0)
        await scene.settle()
        assert scene.variant.sets == [0]

    scenario(body)


def test_tags(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        arn = scene.register(Tags={"a": "1", "b": "2"})["ScalableTargetARN"]
        scene.call("TagResource", ResourceARN=arn, Tags={"b": "3", "c": "4"})
        scene.call("UntagResource", ResourceARN=arn, TagKeys=["a", "none"])
        assert scene.call("ListTagsForResource", ResourceARN=arn) == {"Tags": {"b": "3", "c": "4"}}
        many = {f"k{n}": "" for n in range(49)}
        code, _ = scene.refusal("TagResource", ResourceARN=arn, Tags=many)
        assert code == "TooManyTagsException"
        code, _ = scene.refusal("ListTagsForResource", ResourceARN=f"{arn}0")
        assert code == "ResourceNotFoundException"

    scenario(body)


def test_a_deregistered_target_takes_everything_along(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        alarms = [alarm["AlarmName"] for alarm in scene.track()["Alarms"]]
        scene.call(
            "PutScheduledAction",
            ScheduledActionName="s",
            Schedule="rate(1 day)",
            ScalableTargetAction={"MinCapacity": 1},
        )
        scene.call("DeregisterScalableTarget")
        assert {scene.platform.alarms.state(ACCOUNT, REGION, name) for name in alarms} == {None}
        for operation, member in (
            ("DescribeScalableTargets", "ScalableTargets"),
            ("DescribeScalingPolicies", "ScalingPolicies"),
            ("DescribeScheduledActions", "ScheduledActions"),
        ):
            request = {"ResourceIds": [PLACE["ResourceId"]]}
            assert scene.call(operation, **request)[member] == []
        code, message = scene.refusal("DeregisterScalableTarget")
        assert code == "ObjectNotFoundException"
        assert message == (
            "No scalable target found for service namespace: sagemaker, resource ID:"
            " endpoint/e/variant/v, scalable dimension: sagemaker:variant:DesiredInstanceCount"
        )

    scenario(body)


@pytest.mark.parametrize("gone", ["endpoint/e/", "endpoint/e/variant/v/"])
def test_a_resource_that_goes_is_no_target_any_more(scenario: Scenario, gone: str) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.platform.capacities.gone(ACCOUNT, REGION, "endpoint/e2/")
        assert scene.platform.capacities.is_scaled(ACCOUNT, REGION, PLACE["ResourceId"])
        scene.platform.capacities.gone(ACCOUNT, REGION, gone)
        assert not scene.platform.capacities.is_scaled(ACCOUNT, REGION, PLACE["ResourceId"])

    scenario(body)


def test_pages(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        for number in range(3):
            scene.step(f"p{number}", 1)
        first = scene.call("DescribeScalingPolicies", MaxResults=2)
        assert [policy["PolicyName"] for policy in first["ScalingPolicies"]] == ["p0", "p1"]
        token = first["NextToken"]
        second = scene.call("DescribeScalingPolicies", MaxResults=2, NextToken=token)
        assert [policy["PolicyName"] for policy in second["ScalingPolicies"]] == ["p2"]
        assert "NextToken" not in second
        chosen = scene.call("DescribeScalingPolicies", PolicyNames=["p1"])
        assert [policy["PolicyName"] for policy in chosen["ScalingPolicies"]] == ["p1"]
        assert scene.refusal("DescribeScalingPolicies", MaxResults=11)[0] == "ValidationException"
        refused = scene.refusal("DescribeScalingPolicies", NextToken="x")
        assert refused[0] == "InvalidNextTokenException"

    scenario(body)


def test_a_dimension_needs_its_resource(client: Any, refusal: Any) -> None:
    """Asked over the wire: the model leaves the resource out."""
    scaling = client("application-autoscaling")
    dimension = {"ServiceNamespace": "sagemaker", "ScalableDimension": PLACE["ScalableDimension"]}
    for name in ("targets", "policies", "actions", "activities"):
        operation = {
            "targets": scaling.describe_scalable_targets,
            "policies": scaling.describe_scaling_policies,
            "actions": scaling.describe_scheduled_actions,
            "activities": scaling.describe_scaling_activities,
        }[name]
        assert refusal(operation, **dimension)[0] == "ValidationException"
    for namespace in ("ecs", "sagemaker"):
        assert (
            scaling.describe_scalable_targets(ServiceNamespace=namespace)["ScalableTargets"] == []
        )
