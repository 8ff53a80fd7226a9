"""GetMetricData: several metrics and expressions over them in one request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import parse_statistic
from sagebrush.services.cloudwatch.labels import render_label
from sagebrush.services.cloudwatch.math_values import MAX_DATAPOINTS, ExpressionError, Timeline
from sagebrush.services.cloudwatch.periods import is_period
from sagebrush.services.cloudwatch.query_series import QuerySeries
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_MAX_QUERIES = 500


@dataclass(frozen=True, slots=True)
class _Result:
    """One line of the answer: its points are in the order asked for."""

    id: str
    label: str
    points: list[tuple[float, float]]


async def get_metric_data(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the data points of the queries that ask for them, newest first unless told."""
    # A coroutine is in no transaction: what is still counted in memory is stored before it reads.
    queries = {query["Id"]: query for query in request["MetricDataQueries"]}
    _check(request, queries)
    series = QuerySeries(
        context.platform.metrics,
        context.account,
        context.region,
        request["MetricDataQueries"],
        request["StartTime"],
        request["EndTime"],
        context.now,
    )
    newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = []
    for query in request["MetricDataQueries"]:
        if not query.get("ReturnData", True):
            continue
        for timeline in _evaluated(series, query["Id"]):
            points = sorted(timeline.points.items(), reverse=newest_first)
            label = render_label(query, timeline, context.account, context.region)
            results.append(_Result(query["Id"], label, points))
    return _page(results, request)


def _check(request: dict[str, Any], queries: dict[str, Any]) -> None:
    given = request["MetricDataQueries"]
    if len(queries) != len(given):
        raise _invalid("The values for parameter id in MetricDataQueries are not unique.")
    if not given or len(given) > _MAX_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must have a size of 1 to {_MAX_QUERIES}.")
    if request["StartTime"] >= request["EndTime"]:
        raise _invalid("The parameter EndTime must be greater than StartTime.")
    for number, query in enumerate(given, start=1):
        _check_query(query, f"MetricDataQueries.member.{number}")
    if not any(query.get("ReturnData", True) for query in given):
        raise _invalid("At least one query must have ReturnData set to true.")


def _check_query(query: dict[str, Any], where: str) -> None:
    if not _ID.fullmatch(query["Id"]):
        raise _invalid(
            f"The value {query['Id']} for parameter {where}.Id is not matching the expected"
            " pattern ^[a-z][a-zA-Z0-9_]*$."
        )
    if ("MetricStat" in query) == ("Expression" in query):
        raise _invalid(f"Exactly one of {where}.MetricStat and {where}.Expression is required.")
    stat = query.get("MetricStat")
    periods = [query.get("Period"), stat["Period"] if stat else None]
    if any(period is not None and not is_period(period) for period in periods):
        raise _invalid(f"The parameter {where}.Period must be 1, 5, 10, 30, or a multiple of 60.")
    if stat:
        try:
            parse_statistic(stat["Stat"])
        except ValueError:
            raise _invalid(
                f"The value {stat['Stat']} for parameter {where}.MetricStat.Stat is not supported."
            ) from None


def _evaluated(series: QuerySeries, query_id: str) -> list[Timeline]:
    try:
        return series.timelines(query_id)
    except ExpressionError as error:
        raise _invalid(f"Error in expression '{query_id}': {error}") from None


def _page(results: list[_Result], request: dict[str, Any]) -> dict[str, Any]:
    """Cut the results after the asked number of points; the token names line and time."""
    limit = min(request.get("MaxDatapoints", MAX_DATAPOINTS), MAX_DATAPOINTS)
    line, seen_time = 0, None
    if "NextToken" in request:
        line, seen_time = decode_token(request["NextToken"], "InvalidNextToken", (int, object))
    shown = []
    for number, result in enumerate(results[line:], start=line):
        points = result.points
        if number == line and seen_time is not None:
            times = [time for time, _ in points]
            points = points[times.index(seen_time) + 1 :] if seen_time in times else points
        taken = points[:limit]
        limit -= len(taken)
        complete = len(taken) == len(points)
        if taken or complete:
            shown.append(_shape(result, taken, complete=complete))
        if not complete:
            last = taken[-1][0] if taken else None
            return {"MetricDataResults": shown, "NextToken": encode_token([number, last])}
    return {"MetricDataResults": shown, "Messages": []}


def _shape(result: _Result, points: list[tuple[float, float]], *, complete: bool) -> dict[str, Any]:
    return {
        "Id": result.id,
        "Label": result.label,
        "Timestamps": [time for time, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete" if complete else "PartialData",
    }


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
