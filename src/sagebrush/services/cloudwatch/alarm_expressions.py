"""Alarms on metric data queries: what their `Metrics` must keep to, and their values."""

from __future__ import annotations

import re
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.alarms.evaluation import QueryError, Window
from sagebrush.engines.metrics import MetricStore, parse_statistic
from sagebrush.services.cloudwatch.math_expressions import check_syntax
from sagebrush.services.cloudwatch.math_values import ExpressionError
from sagebrush.services.cloudwatch.query_series import QuerySeries
from sagebrush.services.platform import Context

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_MAX_METRICS = 10


def check_queries(context: Context, queries: list[dict[str, Any]]) -> int:
    """Refuse queries that no alarm can watch; return the seconds of their period.

    Raises:
        ApiError: in CloudWatch's words.
    """
    if not queries:
        raise _invalid("The parameter Metrics must not be empty.")
    if len({query["Id"] for query in queries}) != len(queries):
        raise _invalid("The values for parameter id in Metrics are not unique.")
    for query in queries:
        _check_query(context, query)
    watched = [query for query in queries if query.get("ReturnData", True)]
    if len(watched) != 1:
        raise _invalid("Exactly one element of the metrics list should return data.")
    periods_s = {query["MetricStat"]["Period"] for query in queries if "MetricStat" in query}
    if len(periods_s) > 1:
        raise _invalid("All metrics of an alarm must have the same period.")
    stats = [query for query in queries if "MetricStat" in query]
    if not 1 <= len(stats) <= _MAX_METRICS:
        raise _invalid(f"An alarm's expression must use 1 to {_MAX_METRICS} metrics.")
    return int(periods_s.pop())


def _check_query(context: Context, query: dict[str, Any]) -> None:
    name = query["Id"]
    if not _ID.fullmatch(name):
        raise _invalid(
            f"The value {name} for parameter Id is not matching the expected pattern"
            " ^[a-z][a-zA-Z0-9_]*$."
        )
    if query.get("AccountId", context.account) != context.account:
        raise _invalid("Sagebrush does not support metrics of other accounts in alarms.")
    if ("MetricStat" in query) == ("Expression" in query):
        raise _invalid(f"Exactly one of MetricStat and Expression is required in {name}.")
    if "Expression" in query:
        _check_expression(name, query["Expression"])
        return
    stat = query["MetricStat"]
    if "Namespace" not in stat["Metric"] or "MetricName" not in stat["Metric"]:
        raise _invalid(f"The metric of {name} needs Namespace and MetricName.")
    if stat["Period"] not in (10, 20, 30) and stat["Period"] % 60:
        raise _invalid("Period must be 10, 20, 30 or a multiple of 60.")
    try:
        parse_statistic(stat["Stat"])
    except ValueError:
        raise _invalid(f"The value {stat['Stat']} for parameter Stat is not supported.") from None


def _check_expression(name: str, expression: str) -> None:
    if "ANOMALY_DETECTION_BAND" in expression:
        raise _invalid("Sagebrush does not support ANOMALY_DETECTION_BAND.")
    if re.match(r"\s*SELECT\b", expression, re.IGNORECASE):
        raise _invalid("Sagebrush does not support Metrics Insights queries in alarms.")
    try:
        check_syntax(expression)
    except ExpressionError as error:
        raise _invalid(f"Error in expression '{name}': {error}") from None


def values_of(
    metrics: MetricStore,
    account: str,
    region: str,
    queries: list[dict[str, Any]],
    window: Window,
    now: float,
) -> dict[float, float]:
    """Return the values of the query that returns data, by the start of their period.

    Raises:
        QueryError: it is not one time series.
    """
    (watched,) = [query["Id"] for query in queries if query.get("ReturnData", True)]
    series = QuerySeries(metrics, account, region, queries, window.start, window.end, now)
    try:
        timelines = series.timelines(watched)
    except ExpressionError as error:
        raise QueryError(str(error)) from None
    if len(timelines) != 1:
        raise QueryError(f"{watched} is {len(timelines)} time series")
    return timelines[0].points


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
