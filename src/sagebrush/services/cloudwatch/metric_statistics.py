"""GetMetricStatistics."""

from __future__ import annotations

import math
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import Bucket, parse_statistic
from sagebrush.services.cloudwatch.periods import aligned_start, dimensions_of, is_period
from sagebrush.services.platform import Context

_MAX_DATAPOINTS = 1440


async def get_metric_statistics(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer statistics of one metric per period, by time; periods without data are left out."""
    # A coroutine is in no transaction: what is still counted in memory is stored before it reads.
    simple = request.get("Statistics", [])
    extended = request.get("ExtendedStatistics", [])
    _check(request, simple, extended)
    start = aligned_start(request["StartTime"], context.now, request["Period"])
    buckets = context.platform.metrics.statistics(
        context.account,
        context.region,
        request["Namespace"],
        request["MetricName"],
        dimensions_of(request),
        start=start,
        end=request["EndTime"],
        period_s=request["Period"],
        unit=request.get("Unit"),
        origin=start,
    )
    points = [_datapoint(bucket, simple, extended) for bucket in buckets]
    return {"Label": request["MetricName"], "Datapoints": points}


def _check(request: dict[str, Any], simple: list[str], extended: list[str]) -> None:
    if not simple and not extended:
        raise ApiError(
            "InvalidParameterCombination",
            "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
        )
    if simple and extended:
        raise ApiError(
            "InvalidParameterCombination",
            "The parameters Statistics and ExtendedStatistics are mutually exclusive parameters"
            " and you have specified both.",
        )
    if request["StartTime"] >= request["EndTime"]:
        raise ApiError(
            "InvalidParameterValue",
            "The parameter StartTime must be less than the parameter EndTime.",
        )
    period_s = request["Period"]
    if not is_period(period_s):
        raise ApiError(
            "InvalidParameterValue",
            "The parameter Period must be 1, 5, 10, 30, or a multiple of 60.",
        )
    number = math.ceil((request["EndTime"] - request["StartTime"]) / period_s)
    if number > _MAX_DATAPOINTS:
        raise ApiError(
            "InvalidParameterCombination",
            f"You have requested up to {number:,} datapoints, which exceeds the limit of"
            f" {_MAX_DATAPOINTS:,}. You may reduce the datapoints requested by increasing Period,"
            " or decreasing the time range.",
        )
    for name in extended:
        try:
            parse_statistic(name)
        except ValueError:
            raise ApiError(
                "InvalidParameterValue",
                f"The value {name} for parameter ExtendedStatistics is not supported.",
            ) from None


def _datapoint(bucket: Bucket, simple: list[str], extended: list[str]) -> dict[str, Any]:
    point: dict[str, Any] = {"Timestamp": bucket.time, "Unit": bucket.unit}
    point |= {name: bucket.statistic(name) for name in simple}
    values = {name: bucket.statistic(name) for name in extended}
    known = {name: value for name, value in values.items() if value is not None}
    return point | ({"ExtendedStatistics": known} if known else {})
