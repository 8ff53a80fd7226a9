"""The message about an alarm's change, by kind of alarm."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.engines.alarms import Alarm, AlarmAction
from sagebrush.services.cloudwatch.alarm_notifications import message, subject

COMMON = {"EvaluationPeriods": 3, "Threshold": 5, "ComparisonOperator": "LessThanThreshold"}


def alarm(configuration: dict[str, Any], **members: Any) -> Alarm:
    given: dict[str, Any] = {
        "account": "111122223333",
        "region": "eu-west-2",
        "name": "a",
        "kind": "MetricAlarm",
        "configuration": configuration,
        "actions_enabled": True,
        "configured": 1_700_000_000.0,
        "state": "ALARM",
        "reason": "why",
        "reason_data": None,
        "updated": 1_700_000_060.0,
        "transitioned": 1_700_000_060.0,
    }
    return Alarm(**given | members)


def told(configuration: dict[str, Any], **members: Any) -> dict[str, Any]:
    return message(AlarmAction("arn", alarm(configuration, **members), "OK"))


def test_what_every_message_says() -> None:
    said = told(COMMON | {"Metrics": [], "OKActions": ["x"]})
    assert {name: said[name] for name in said if name != "Trigger"} == {
        "AlarmName": "a",
        "AlarmDescription": None,
        "AWSAccountId": "111122223333",
        "AlarmConfigurationUpdatedTimestamp": "2023-11-14T22:13:20.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "why",
        "StateChangeTime": "2023-11-14T22:14:20.000+0000",
        "Region": "EU (London)",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-2:111122223333:alarm:a",
        "OldStateValue": "OK",
        "OKActions": ["x"],
        "AlarmActions": [],
        "InsufficientDataActions": [],
    }


def test_percentiles() -> None:
    single = {"Namespace": "N", "MetricName": "m", "ExtendedStatistic": "p99", "Period": 60}
    dimensions = {"Dimensions": [{"Name": "d", "Value": "v"}], "Unit": "Count"}
    assert told(COMMON | single | dimensions)["Trigger"] == {
        "MetricName": "m",
        "Namespace": "N",
        "StatisticType": "ExtendedStatistic",
        "ExtendedStatistic": "p99",
        "Unit": "Count",
        "Dimensions": [{"value": "v", "name": "d"}],
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }


def test_expressions() -> None:
    stat = {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 * 2", "Label": "twice"},
    ]
    trigger = told(COMMON | {"Metrics": queries})["Trigger"]
    assert trigger["Metrics"] == [
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": {"Dimensions": [], "MetricName": "m", "Namespace": "N"},
                "Period": 60,
                "Stat": "Sum",
            },
            "ReturnData": False,
        },
        {"Expression": "m1 * 2", "Id": "e1", "Label": "twice", "ReturnData": True},
    ]
    assert "MetricName" not in trigger


@pytest.mark.parametrize(
    ("data", "children"),
    [
        (
            '{"triggeringAlarms":[{"arn":"x","state":{"value":"OK","timestamp":"t"}}]}',
            [{"Arn": "x", "State": {"Value": "OK", "Timestamp": "t"}}],
        ),
        # What a person gave to SetAlarmState.
        (None, []),
        ("[]", []),
        ('{"triggeringAlarms":[1]}', []),
    ],
)
def test_composite_alarms(data: str | None, children: list[dict[str, Any]]) -> None:
    said = told({"AlarmRule": "ALARM(x)"}, kind="CompositeAlarm", reason_data=data)
    assert (said["AlarmRule"], said["TriggeringChildren"]) == ("ALARM(x)", children)
    assert "Trigger" not in said


def test_subjects() -> None:
    assert subject(alarm(COMMON)) == 'ALARM: "a" in EU (London)'
    assert subject(alarm(COMMON, region="xx-new-1")).endswith("in xx-new-1")
    # SNS takes no more.
    assert len(subject(alarm(COMMON, name="n" * 255))) == 100
