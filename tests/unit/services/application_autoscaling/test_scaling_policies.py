"""Scaling policies: what they must be, the alarms that tracking ones have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.alarms.records import Alarm, Key

from .conftest import ACCOUNT, REGION, Scene

Scenario = Callable[[Callable[[Scene], Any]], None]
PREDEFINED = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
CUSTOM = {"MetricName": "m", "Namespace": "N", "Statistic": "Average"}
STAT = {"Metric": {"MetricName": "m", "Namespace": "N"}, "Stat": "Sum"}


def alarms_of(scene: Scene, answer: dict[str, Any]) -> list[Alarm]:
    """Return the alarms that an answer names."""
    names = [alarm["AlarmName"] for alarm in answer["Alarms"]]
    found = [scene.platform.alarms.store.find(Key(ACCOUNT, REGION, name)) for name in names]
    return [alarm for alarm in found if alarm is not None]


def test_a_tracking_policy_has_two_alarms(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        answer = scene.track(value=50.0)
        arn = answer["PolicyARN"]
        assert arn.startswith(f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:")
        assert arn.endswith(":resource/sagemaker/endpoint/e/variant/v:policyName/track")
        high, low = alarms_of(scene, answer)
        assert high.name.startswith("TargetTracking-endpoint/e/variant/v-AlarmHigh-")
        assert low.name.startswith("TargetTracking-endpoint/e/variant/v-AlarmLow-")
        common = {
            "Namespace": "AWS/SageMaker",
            "MetricName": "InvocationsPerInstance",
            "Statistic": "Sum",
            "Period": 60,
            "AlarmActions": [arn],
            "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        }
        for alarm in (high, low):
            assert common.items() <= alarm.configuration.items()
        names = ("EvaluationPeriods", "Threshold", "ComparisonOperator")
        told = [[alarm.configuration[name] for name in names] for alarm in (high, low)]
        assert told == [[3, 50.0, "GreaterThanThreshold"], [15, 45.0, "LessThanThreshold"]]

    scenario(body)


def test_a_changed_policy_keeps_its_alarms(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        before = scene.track()
        after = scene.track(value=20.0)
        assert after == before
        assert [alarm.configuration["Threshold"] for alarm in alarms_of(scene, after)] == [20, 18]
        (high,) = alarms_of(scene, scene.track(DisableScaleIn=True))
        assert "AlarmHigh" in high.name
        lows = scene.platform.alarms.state(ACCOUNT, REGION, before["Alarms"][1]["AlarmName"])
        assert lows is None
        assert len(alarms_of(scene, scene.track())) == 2
        (described,) = scene.call("DescribeScalingPolicies")["ScalingPolicies"]
        assert described["TargetTrackingScalingPolicyConfiguration"] == {
            "TargetValue": 10.0,
            "PredefinedMetricSpecification": PREDEFINED,
        }

    scenario(body)


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        (
            CUSTOM | {"Unit": "Count", "Dimensions": [{"Name": "d", "Value": "v"}]},
            {"MetricName": "m", "Period": 60, "Unit": "Count"},
        ),
        (
            {
                "Metrics": [
                    {"Id": "a", "MetricStat": STAT, "ReturnData": False},
                    {"Id": "b", "Expression": "a / 2"},
                ]
            },
            {
                "Metrics": [
                    {"Id": "a", "MetricStat": STAT | {"Period": 60}, "ReturnData": False},
                    {"Id": "b", "Expression": "a / 2", "ReturnData": True},
                ]
            },
        ),
    ],
)
def test_custom_metrics(
    scenario: Scenario, specification: dict[str, Any], expected: dict[str, Any]
) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        answer = scene.call(
            "PutScalingPolicy",
            PolicyName="custom",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": specification,
            },
        )
        for alarm in alarms_of(scene, answer):
            assert expected.items() <= alarm.configuration.items()

    scenario(body)


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"TargetValue": 1.0}, "Exactly one of"),
        (
            {
                "TargetValue": 1.0,
                "PredefinedMetricSpecification": PREDEFINED,
                "CustomizedMetricSpecification": CUSTOM,
            },
            "Exactly one of",
        ),
        ({"TargetValue": 0.0, "PredefinedMetricSpecification": PREDEFINED}, "TargetValue"),
        ({"TargetValue": float("inf"), "PredefinedMetricSpecification": PREDEFINED}, "TargetValue"),
        (
            {
                "TargetValue": 1.0,
                "PredefinedMetricSpecification": PREDEFINED,
                "ScaleInCooldown": -1,
            },
            "ScaleInCooldown",
        ),
        (
            {
                "TargetValue": 1.0,
                "PredefinedMetricSpecification": PREDEFINED | {"ResourceLabel": "x"},
            },
            "ResourceLabel",
        ),
        *(
            (
                {
                    "TargetValue": 1.0,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": kind},
                },
                kind,
            )
            for kind in (
                "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
                "ECSServiceAverageCPUUtilization",
                "SageMakerVariantProvisionedConcurrencyUtilization",
            )
        ),
        (
            {"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m"}},
            "Namespace, Statistic",
        ),
        (
            {
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": CUSTOM
                | {"Metrics": [{"Id": "a", "MetricStat": STAT}]},
            },
            "beside a single metric",
        ),
        (
            {
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": {
                    "Metrics": [{"Id": "a", "MetricStat": STAT, "ReturnData": False}]
                },
            },
            "must return data",
        ),
        (
            {
                "TargetValue": 1.0,
                "CustomizedMetricSpecification": {"Metrics": [{"Id": "a"}]},
            },
            "either MetricStat or Expression",
        ),
    ],
)
def test_what_tracking_cannot_be(
    scenario: Scenario, configuration: dict[str, Any], words: str
) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        code, message = scene.refusal(
            "PutScalingPolicy",
            PolicyName="p",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )
        assert code == "ValidationException"
        assert words in message

    scenario(body)


def test_kinds_and_configurations_go_together(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        place = (
            "service namespace: sagemaker, resource ID: endpoint/e/variant/v, scalable dimension:"
            " sagemaker:variant:DesiredInstanceCount"
        )
        steps = {
            "AdjustmentType": "ExactCapacity",
            "StepAdjustments": [{"ScalingAdjustment": 1}],
        }
        request = {"PolicyName": "p", "StepScalingPolicyConfiguration": steps}
        assert scene.refusal("PutScalingPolicy", PolicyType="StepScaling", **request) == (
            "ObjectNotFoundException",
            f"No scalable target registered for {place}",
        )
        scene.register()
        for kind, words in (
            ({}, "PolicyType must be specified"),
            ({"PolicyType": "TargetTrackingScaling"}, "TargetTrackingScalingPolicyConfiguration"),
            ({"PolicyType": "PredictiveScaling"}, "PredictiveScaling"),
        ):
            code, message = scene.refusal("PutScalingPolicy", **request, **kind)
            assert code == "ValidationException"
            assert words in message
        scene.call("PutScalingPolicy", PolicyType="StepScaling", **request)
        scene.call("PutScalingPolicy", **request)
        _, message = scene.refusal(
            "PutScalingPolicy", PolicyType="TargetTrackingScaling", **request
        )
        assert "cannot be changed" in message
        scene.call("DeleteScalingPolicy", PolicyName="p")
        assert scene.refusal("DeleteScalingPolicy", PolicyName="p") == (
            "ObjectNotFoundException",
            f"No scaling policy found for {place}, policy name: p",
        )

    scenario(body)


def test_one_tracking_policy_for_a_metric(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        scene.track("one")
        with pytest.raises(Exception, match="Only one TargetTrackingScaling policy"):
            scene.track("two")

    scenario(body)


def test_a_deleted_policy_takes_its_own_alarms_along(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        names = [alarm["AlarmName"] for alarm in scene.track()["Alarms"]]
        scene.alarm("mine", scene.step("up", 1))
        scene.call("DeleteScalingPolicy", PolicyName="track")
        scene.call("DeleteScalingPolicy", PolicyName="up")
        states = [scene.platform.alarms.state(ACCOUNT, REGION, name) for name in [*names, "mine"]]
        assert states == [None, None, "INSUFFICIENT_DATA"]

    scenario(body)
