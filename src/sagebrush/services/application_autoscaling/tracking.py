"""Target tracking: the alarms of a policy, and the capacity that brings the metric to its target.

Sources: the user guide's page "Target tracking scaling policies"; the developer guide's chapter on
endpoints that scale. High: 3 minutes above the target. Low: 15 minutes below 90 % of it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from typing import Any

from sagebrush.services.application_autoscaling.errors import invalid
from sagebrush.services.application_autoscaling.records import Policy, Target

HIGH, LOW = "AlarmHigh", "AlarmLow"
# Proportion of the target below which capacity may go.
_LOW_SHARE = 0.9
_HIGH_PERIODS, _LOW_PERIODS = 3, 15
_PERIOD_S = 60
_MAX_TARGET = 2.0**360
_NAMESPACE = "AWS/SageMaker"
# Predefined metric: the dimension it scales, the metric's name and its statistic.
_PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": (
        "sagemaker:variant:DesiredInstanceCount",
        "InvocationsPerInstance",
        "Sum",
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        "sagemaker:variant:DesiredProvisionedConcurrency",
        "ServerlessProvisionedConcurrencyUtilization",
        "Average",
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": (
        "sagemaker:inference-component:DesiredCopyCount",
        "InvocationsPerCopy",
        "Sum",
    ),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "sagemaker:variant:DesiredInstanceCount",
        "ConcurrentRequestsPerModel",
        "Average",
    ),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        "sagemaker:inference-component:DesiredCopyCount",
        "ConcurrentRequestsPerCopy",
        "Average",
    ),
}
_SINGLE = ("MetricName", "Namespace", "Statistic")


def check_tracking(configuration: dict[str, Any], dimension: str) -> None:
    """Refuse a target tracking configuration that breaks a rule.

    Raises:
        ApiError: ValidationException.
    """
    target = configuration["TargetValue"]
    if not math.isfinite(target) or not 0 < target <= _MAX_TARGET:
        raise invalid("TargetValue must be a positive number of at most 2^360.")
    for name in ("ScaleInCooldown", "ScaleOutCooldown"):
        if configuration.get(name, 0) < 0:
            raise invalid(f"{name} must not be negative.")
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise invalid(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must"
            " be specified."
        )
    if predefined is not None:
        _check_predefined(predefined, dimension)
    elif customized is not None:
        _check_customized(customized)


def _check_predefined(given: dict[str, Any], dimension: str) -> None:
    kind = given["PredefinedMetricType"]
    if kind not in _PREDEFINED or _PREDEFINED[kind][0] != dimension:
        raise invalid(
            f"Predefined metric type {kind} is not supported for scalable dimension {dimension}."
        )
    if "ResourceLabel" in given:
        raise invalid(f"ResourceLabel cannot be specified for {kind}.")


def _check_customized(given: dict[str, Any]) -> None:
    if "Metrics" in given:
        if any(name in given for name in (*_SINGLE, "Dimensions", "Unit")):
            raise invalid("Metrics cannot be specified beside a single metric.")
        watched = [query for query in given["Metrics"] if query.get("ReturnData", True)]
        if len(watched) != 1:
            raise invalid("Exactly one element of Metrics must return data.")
        for query in given["Metrics"]:
            if ("MetricStat" in query) == ("Expression" in query):
                raise invalid("Each element of Metrics needs either MetricStat or Expression.")
        return
    missing = [name for name in _SINGLE if name not in given]
    if missing:
        raise invalid(f"CustomizedMetricSpecification needs {', '.join(missing)}.")


def wanted_alarms(configuration: dict[str, Any]) -> list[str]:
    """Return the kinds of alarms a policy has: no low one where it never scales in."""
    return [HIGH] if configuration.get("DisableScaleIn") else [HIGH, LOW]


def alarm_name(target: Target, kind: str) -> str:
    """Return a new alarm's name."""
    return f"TargetTracking-{target.resource_id}-{kind}-{uuid.uuid4()}"


def kind_of(name: str) -> str:
    """Return of which kind an alarm of a policy is, by its name."""
    return HIGH if f"-{HIGH}-" in name else LOW


def alarm_request(target: Target, policy: Policy, name: str) -> dict[str, Any]:
    """Return PutMetricAlarm's members for an alarm of a policy."""
    high = kind_of(name) == HIGH
    value = policy.configuration["TargetValue"]
    return {
        "AlarmName": name,
        "AlarmDescription": (
            f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}."
        ),
        "ActionsEnabled": True,
        "AlarmActions": [policy.arn],
        "EvaluationPeriods": _HIGH_PERIODS if high else _LOW_PERIODS,
        "Threshold": value if high else value * _LOW_SHARE,
        "ComparisonOperator": "GreaterThanThreshold" if high else "LessThanThreshold",
    } | _metric(target, policy.configuration)


def _metric(target: Target, configuration: dict[str, Any]) -> dict[str, Any]:
    predefined = configuration.get("PredefinedMetricSpecification")
    if predefined is not None:
        _, name, statistic = _PREDEFINED[predefined["PredefinedMetricType"]]
        return {
            "Namespace": _NAMESPACE,
            "MetricName": name,
            "Dimensions": _dimensions(target.resource_id),
            "Statistic": statistic,
            "Period": _PERIOD_S,
        }
    customized = configuration["CustomizedMetricSpecification"]
    if "Metrics" in customized:
        return {"Metrics": [_query(query) for query in customized["Metrics"]]}
    members = (*_SINGLE, "Dimensions", "Unit")
    return {name: customized[name] for name in members if name in customized} | {
        "Period": _PERIOD_S
    }


def _query(query: dict[str, Any]) -> dict[str, Any]:
    """Return one of an alarm's queries: they have a period, those of a policy have none."""
    given = {"ReturnData": True} | query
    if "MetricStat" in given:
        given["MetricStat"] = {"Period": _PERIOD_S} | given["MetricStat"]
    return given


def _dimensions(resource_id: str) -> list[dict[str, str]]:
    parts = resource_id.split("/")
    if parts[0] == "endpoint":
        names = {"EndpointName": parts[1], "VariantName": parts[3]}
    else:
        names = {"InferenceComponentName": parts[1]}
    return [{"Name": name, "Value": value} for name, value in names.items()]


def tracked(points: Sequence[float], target: float, capacity: int, kind: str) -> int:
    """Return the capacity at which each unit would have the target's share of the load.

    Out by the latest value; in by the largest of the 15 minutes, so that no minute of them would
    have asked for more ("scales in more gradually"). Rounded up, never below the target's need.
    Nothing is as one unit: without any, a metric per unit tells the whole.
    """
    value = points[-1] if kind == HIGH else max(points)
    # A load of exactly three targets needs three units, whatever floating point makes of it.
    exact = max(capacity, 1) * value / target
    return math.ceil(min(round(exact, 9), 2.0**31))
