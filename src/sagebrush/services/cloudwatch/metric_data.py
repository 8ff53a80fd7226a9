"""PutMetricData: the rules for data points."""

from __future__ import annotations

import math
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import MetricDatum, StatisticSet
from sagebrush.services.platform import Context

_MAX_DATA = 1000
_MAX_VALUES = 150
_LARGEST = 2.0**360
_OLDEST_S = 14 * 86_400.0
_NEWEST_S = 2 * 3600.0


def put_metric_data(context: Context, request: dict[str, Any]) -> None:
    """Store data points of a custom namespace."""
    namespace = request["Namespace"]
    if namespace.startswith("AWS/"):
        raise _invalid(f"The value {namespace} for parameter Namespace is invalid.")
    if request.get("EntityMetricData"):
        raise _invalid("Sagebrush does not support the parameter EntityMetricData.")
    given = request.get("MetricData", [])
    if not given:
        raise ApiError("MissingParameter", "The parameter MetricData is required.")
    if len(given) > _MAX_DATA:
        raise _invalid(f"The collection MetricData must not have a size greater than {_MAX_DATA}.")
    data = [_datum(context, datum, number) for number, datum in enumerate(given, start=1)]
    context.platform.metrics.put(context.account, context.region, namespace, data)


def _datum(context: Context, datum: dict[str, Any], number: int) -> MetricDatum:
    where = f"MetricData.member.{number}"
    _check_kind(datum, where)
    dimensions = {d["Name"]: d["Value"] for d in datum.get("Dimensions", [])}
    statistics = datum.get("StatisticValues")
    values = datum.get("Values", [])
    resolution_s = datum.get("StorageResolution", 60)
    if resolution_s not in (1, 60):
        raise _invalid(
            f"The value {resolution_s} for parameter {where}.StorageResolution is invalid."
        )
    return MetricDatum(
        datum["MetricName"],
        dimensions,
        _time(context, datum, where),
        value=_number(datum.get("Value"), f"{where}.Value"),
        statistics=_statistics(statistics, where) if statistics else None,
        values=[_required(value, f"{where}.Values") for value in values],
        counts=_counts(datum, where),
        unit=datum.get("Unit", "None"),
        storage_resolution_s=resolution_s,
    )


def _check_kind(datum: dict[str, Any], where: str) -> None:
    given = [kind for kind in ("Value", "StatisticValues", "Values") if kind in datum]
    if len(given) > 1:
        raise ApiError(
            "InvalidParameterCombination",
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive"
            " parameters and you have specified both.",
        )
    if not given or (given == ["Values"] and not datum["Values"]):
        raise ApiError(
            "MissingParameter",
            f"At least one of the parameters {where}.Value, {where}.Values and"
            f" {where}.StatisticValues must be specified.",
        )


def _time(context: Context, datum: dict[str, Any], where: str) -> float:
    time = float(datum.get("Timestamp", context.now))
    if time < context.now - _OLDEST_S:
        raise _invalid(
            f"The parameter {where}.Timestamp must specify a time no more than two weeks in the"
            " past."
        )
    if time > context.now + _NEWEST_S:
        raise _invalid(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the"
            " future."
        )
    return time


def _statistics(given: dict[str, Any], where: str) -> StatisticSet:
    numbers = [
        _required(given[member], f"{where}.StatisticValues.{member}")
        for member in ("SampleCount", "Sum", "Minimum", "Maximum")
    ]
    if numbers[0] <= 0:
        raise _invalid(f"The parameter {where}.StatisticValues.SampleCount must be greater than 0.")
    if numbers[2] > numbers[3]:
        raise _invalid(
            f"The parameter {where}.StatisticValues.Maximum must be greater than"
            f" {where}.StatisticValues.Minimum."
        )
    return StatisticSet(*numbers)


def _counts(datum: dict[str, Any], where: str) -> list[float]:
    values, counts = datum.get("Values", []), datum.get("Counts", [])
    if len(values) > _MAX_VALUES:
        raise _invalid(
            f"The collection {where}.Values must not have a size greater than {_MAX_VALUES}."
        )
    if counts and len(counts) != len(values):
        raise _invalid(
            f"The parameters {where}.Values and {where}.Counts must be of the same size."
        )
    return [_required(count, f"{where}.Counts") for count in counts]


def _number(value: float | None, where: str) -> float | None:
    return None if value is None else _required(value, where)


def _required(value: float, where: str) -> float:
    if not math.isfinite(value):
        shown = "NaN" if math.isnan(value) else "Infinity"
        raise _invalid(f"The value {shown} for parameter {where} is invalid.")
    if abs(value) > _LARGEST:
        raise _invalid(f"The value {value} for parameter {where} is out of range.")
    return float(value)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
