"""What a request for an alarm must keep to beyond the model: PutMetricAlarm, PutCompositeAlarm."""

from __future__ import annotations

import math
import re
from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.engines.alarms.records import ACTIONS
from sagebrush.engines.metrics import parse_statistic
from sagebrush.services.cloudwatch.alarm_expressions import check_queries
from sagebrush.services.platform import Context

_DAY_S = 86_400
_HOUR_S = 3600
_MAX_TAGS = 50
_SINGLE_METRIC = (
    *("MetricName", "Namespace", "Dimensions", "Period", "Unit"),
    *("Statistic", "ExtendedStatistic"),
)
_UNSUPPORTED = (
    *("ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"),
    *("WarmUpConfiguration", "ActionConfiguration"),
)
_TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
_BANDS = (
    *("LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold"),
    "GreaterThanUpperThreshold",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What a composite alarm can do (PutCompositeAlarm, AlarmActions).
_COMPOSITE_SERVICES = ("sns", "lambda", "ssm", "ssm-incidents", "aiops")
# These ARNs name no region, or one that is not checked.
_ANYWHERE = ("", "*")


def check_metric_alarm(context: Context, request: dict[str, Any]) -> None:
    """Refuse a request for a metric alarm that breaks a rule.

    Raises:
        ApiError: in CloudWatch's words.
    """
    _check_supported(request)
    check_common(context, request)
    if "Metrics" in request:
        _check_only_queries(request)
        period_s = check_queries(context, request["Metrics"])
    else:
        period_s = _check_single_metric(request)
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if name not in request:
            raise _missing(name)
    if not math.isfinite(request["Threshold"]):
        raise invalid("The parameter Threshold must be a finite number.")
    _check_length(period_s, request["EvaluationPeriods"])
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise invalid(
            "The parameter DatapointsToAlarm must be less than or equal to EvaluationPeriods."
        )
    _check_treatments(request)


def check_common(context: Context, request: dict[str, Any]) -> None:
    """Refuse a name, actions or tags that no alarm may have."""
    if _CONTROL.search(request["AlarmName"]):
        raise invalid("The alarm name must not contain ASCII control characters.")
    for member in ACTIONS.values():
        for action in request.get(member, []):
            _check_action(context, action)
    check_tags(request.get("Tags", []))


def check_composite_actions(request: dict[str, Any]) -> None:
    """Refuse actions that a composite alarm cannot carry out."""
    for member in ACTIONS.values():
        for action in request.get(member, []):
            service = action.split(":", 3)[2]
            if service not in _COMPOSITE_SERVICES:
                raise invalid(f"Composite alarms do not support the action {action}.")


def check_tags(tags: list[dict[str, str]]) -> None:
    """Refuse tags that are too many, named twice or reserved."""
    keys = [tag["Key"] for tag in tags]
    if len(keys) > _MAX_TAGS:
        raise invalid(f"The collection Tags must not have a size greater than {_MAX_TAGS}.")
    if len(set(keys)) != len(keys):
        raise invalid("The keys of Tags must be unique.")
    for key in keys:
        if key.lower().startswith("aws:"):
            raise invalid(f"The tag key {key} is reserved.")


def _check_supported(request: dict[str, Any]) -> None:
    for member in _UNSUPPORTED:
        if member in request:
            raise invalid(f"Sagebrush does not support the parameter {member}.")
    if "WallClockWindow" in request.get("EvaluationWindow", {}):
        raise invalid("Sagebrush does not support the parameter EvaluationWindow.WallClockWindow.")
    if request.get("ComparisonOperator") in _BANDS:
        raise invalid(
            "Sagebrush does not support anomaly detection: ComparisonOperator"
            f" {request['ComparisonOperator']}."
        )


def _check_only_queries(request: dict[str, Any]) -> None:
    for member in _SINGLE_METRIC:
        if request.get(member):
            raise invalid(
                f"No other parameter of a single metric may be specified beside Metrics: {member}."
            )


def _check_single_metric(request: dict[str, Any]) -> int:
    if "MetricName" not in request:
        raise invalid("Exactly one of MetricName and Metrics must be specified.")
    if "Namespace" not in request:
        raise _missing("Namespace")
    given = [name for name in ("Statistic", "ExtendedStatistic") if name in request]
    if len(given) == 2:
        raise ApiError(
            "InvalidParameterCombination",
            "The parameters Statistic and ExtendedStatistic are mutually exclusive parameters and"
            " you have specified both.",
        )
    if not given:
        raise invalid("Exactly one of Statistic and ExtendedStatistic must be specified.")
    if "ExtendedStatistic" in request:
        _check_extended(request["ExtendedStatistic"])
    if "Period" not in request:
        raise _missing("Period")
    check_period(request["Period"])
    return int(request["Period"])


def _check_extended(name: str) -> None:
    try:
        parse_statistic(name)
    except ValueError:
        raise invalid(
            f"The value {name} for parameter ExtendedStatistic is not supported."
        ) from None


def check_period(period_s: int) -> None:
    """Refuse a period that is not 10, 20, 30 or a multiple of 60 seconds."""
    if period_s not in (10, 20, 30) and period_s % 60:
        raise invalid("Period must be 10, 20, 30 or a multiple of 60.")


def _check_length(period_s: int, evaluation_periods: int) -> None:
    days, word = (7, "a week") if period_s >= _HOUR_S else (1, "a day")
    if period_s * evaluation_periods > days * _DAY_S:
        raise invalid(
            f"Metrics cannot be checked across more than {word} (EvaluationPeriods * Period must"
            f" be <= {days * _DAY_S})."
        )


def _check_treatments(request: dict[str, Any]) -> None:
    treatment = request.get("TreatMissingData", "missing")
    if treatment not in _TREATMENTS:
        raise invalid(
            f"The value {treatment} is not supported for TreatMissingData parameter. Supported"
            f" values are [{', '.join(_TREATMENTS)}]."
        )
    low = request.get("EvaluateLowSampleCountPercentile")
    if low not in (None, "evaluate", "ignore"):
        raise invalid(
            f"Option {low} is not supported. Supported options for parameter"
            " EvaluateLowSampleCountPercentile are evaluate and ignore."
        )


def _check_action(context: Context, action: str) -> None:
    arn = Arn.parse(action)
    if arn is None or not arn.service or not arn.resource:
        raise invalid(f"Invalid arn syntax: {action}")
    if arn.region not in _ANYWHERE and arn.region != context.region:
        raise invalid(f"Invalid region {arn.region} specified. Only {context.region} is supported.")


def invalid(message: str) -> ApiError:
    """Return the error of a request that breaks a rule."""
    return ApiError("ValidationError", message)


def _missing(name: str) -> ApiError:
    return ApiError("MissingParameter", f"The parameter {name} is required.")
