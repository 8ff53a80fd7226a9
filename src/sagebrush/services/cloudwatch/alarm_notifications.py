"""What an alarm publishes to an SNS topic: CloudWatch's JSON message and its subject.

The members are those of the message that CloudWatch sends; the region goes by its long name.
"""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.engines.alarms import METRIC, ActionError, Alarm, AlarmAction
from sagebrush.engines.alarms.reasons import stamp
from sagebrush.engines.topics import TopicError
from sagebrush.services.platform import Platform

_MAX_SUBJECT = 100
_REGIONS = {
    "af-south-1": "Africa (Cape Town)",
    "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-south-2": "Asia Pacific (Hyderabad)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-3": "Asia Pacific (Jakarta)",
    "ap-southeast-4": "Asia Pacific (Melbourne)",
    "ca-central-1": "Canada (Central)",
    "ca-west-1": "Canada West (Calgary)",
    "cn-north-1": "China (Beijing)",
    "cn-northwest-1": "China (Ningxia)",
    "eu-central-1": "EU (Frankfurt)",
    "eu-central-2": "EU (Zurich)",
    "eu-north-1": "EU (Stockholm)",
    "eu-south-1": "EU (Milan)",
    "eu-south-2": "EU (Spain)",
    "eu-west-1": "EU (Ireland)",
    "eu-west-2": "EU (London)",
    "eu-west-3": "EU (Paris)",
    "il-central-1": "Israel (Tel Aviv)",
    "me-central-1": "Middle East (UAE)",
    "me-south-1": "Middle East (Bahrain)",
    "sa-east-1": "South America (Sao Paulo)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-gov-east-1": "AWS GovCloud (US-East)",
    "us-gov-west-1": "AWS GovCloud (US-West)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
}


def publish(platform: Platform, action: AlarmAction) -> str:
    """Publish a change of state to the topic an action names; return what the history keeps.

    Raises:
        ActionError: the alarm's account has no such topic.
    """
    alarm = action.alarm
    text = orjson.dumps(message(action)).decode()
    try:
        platform.topics.publish(alarm.account, alarm.region, action.arn, text, subject(alarm))
    except TopicError as error:
        raise ActionError(str(error)) from None
    return orjson.dumps({"default": text}).decode()


def subject(alarm: Alarm) -> str:
    """Return the subject of a message about an alarm's new state, cut to what SNS takes."""
    region = _REGIONS.get(alarm.region, alarm.region)
    return f'{alarm.state}: "{alarm.name}" in {region}'[:_MAX_SUBJECT]


def message(action: AlarmAction) -> dict[str, Any]:
    """Return the message about a change of state."""
    alarm = action.alarm
    configuration = alarm.configuration
    told: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": configuration.get("AlarmDescription"),
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": stamp(alarm.transitioned),
        "Region": _REGIONS.get(alarm.region, alarm.region),
        "AlarmArn": alarm.arn,
        "OldStateValue": action.old_state,
        "OKActions": configuration.get("OKActions", []),
        "AlarmActions": configuration.get("AlarmActions", []),
        "InsufficientDataActions": configuration.get("InsufficientDataActions", []),
    }
    if alarm.kind == METRIC:
        return told | {"Trigger": _trigger(configuration)}
    return told | {
        "AlarmRule": configuration["AlarmRule"],
        "TriggeringChildren": _children(alarm.reason_data),
    }


def _trigger(configuration: dict[str, Any]) -> dict[str, Any]:
    needed = configuration["EvaluationPeriods"]
    common = {
        "EvaluationPeriods": needed,
        "DatapointsToAlarm": configuration.get("DatapointsToAlarm", needed),
        "ComparisonOperator": configuration["ComparisonOperator"],
        "Threshold": float(configuration["Threshold"]),
        "TreatMissingData": configuration.get("TreatMissingData", "missing"),
        "EvaluateLowSampleCountPercentile": configuration.get(
            "EvaluateLowSampleCountPercentile", ""
        ),
    }
    if "Metrics" in configuration:
        return common | {"Metrics": [_query(query) for query in configuration["Metrics"]]}
    trigger = {
        "MetricName": configuration["MetricName"],
        "Namespace": configuration["Namespace"],
    }
    if "Statistic" in configuration:
        # In capitals here, unlike everywhere else.
        statistic = {
            "StatisticType": "Statistic",
            "Statistic": _CAPITALS[configuration["Statistic"]],
        }
    else:
        statistic = {
            "StatisticType": "ExtendedStatistic",
            "ExtendedStatistic": configuration["ExtendedStatistic"],
        }
    single = {
        "Unit": configuration.get("Unit"),
        "Dimensions": _dimensions(configuration),
        "Period": configuration["Period"],
    }
    return trigger | statistic | single | common


_CAPITALS = {
    "Average": "AVERAGE",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "SampleCount": "SAMPLE_COUNT",
    "Sum": "SUM",
}


def _query(query: dict[str, Any]) -> dict[str, Any]:
    members = ("Expression", "Id", "Label", "Period")
    told: dict[str, Any] = {name: query[name] for name in members if name in query}
    if "MetricStat" in query:
        stat = query["MetricStat"]
        metric = {
            "Dimensions": _dimensions(stat["Metric"]),
            "MetricName": stat["Metric"]["MetricName"],
            "Namespace": stat["Metric"]["Namespace"],
        }
        told["MetricStat"] = {"Metric": metric, "Period": stat["Period"], "Stat": stat["Stat"]}
        if "Unit" in stat:
            told["MetricStat"]["Unit"] = stat["Unit"]
    return told | {"ReturnData": query.get("ReturnData", True)}


def _dimensions(metric: dict[str, Any]) -> list[dict[str, str]]:
    return [{"value": d["Value"], "name": d["Name"]} for d in metric.get("Dimensions", [])]


def _children(reason_data: str | None) -> list[dict[str, Any]]:
    """Return the alarms that made a composite alarm change; none when a person set its state."""
    given = orjson.loads(reason_data) if reason_data else None
    if not isinstance(given, dict) or not isinstance(given.get("triggeringAlarms"), list):
        return []
    return [
        {"Arn": child.get("arn"), "State": {n.title(): v for n, v in child["state"].items()}}
        for child in given["triggeringAlarms"]
        if isinstance(child, dict) and isinstance(child.get("state"), dict)
    ]
