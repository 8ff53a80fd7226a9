"""The time series that metric data queries stand for, for GetMetricData and for alarms."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.metrics import MetricStore, parse_statistic
from sagebrush.services.cloudwatch.math_expressions import Evaluation, references
from sagebrush.services.cloudwatch.math_values import ExpressionError, Timeline
from sagebrush.services.cloudwatch.periods import aligned_start, dimensions_of

_DEFAULT_PERIOD_S = 300


class QuerySeries:
    """Evaluates queries of one account and region over one time range, each once."""

    def __init__(
        self,
        metrics: MetricStore,
        account: str,
        region: str,
        queries: list[dict[str, Any]],
        start: float,
        end: float,
        now: float,
    ) -> None:
        self._metrics = metrics
        self._account = account
        self._region = region
        self._queries = {query["Id"]: query for query in queries}
        self._start = start
        self._end = end
        self._now = now
        self._evaluation = Evaluation(self._evaluated)

    def timelines(self, query_id: str) -> list[Timeline]:
        """Return what a query stands for: one metric's statistic, or an expression's value.

        Raises:
            ExpressionError: an expression is wrong or refers to itself.
        """
        return self._evaluation.timelines(query_id)

    def _evaluated(self, query_id: str) -> list[Timeline]:
        if query_id not in self._queries:
            raise ExpressionError(f"there is no query with the id {query_id}")
        query = self._queries[query_id]
        if "Expression" not in query:
            return [self._statistic(query["MetricStat"])]
        period_s = query.get("Period") or self._longest_period(query_id)
        start = aligned_start(self._start, self._now, period_s)
        names = [name for name, q in self._queries.items() if "MetricStat" in q]
        grid = _grid(start, self._end, period_s)
        return self._evaluation.expression(query["Expression"], period_s, grid, names)

    def _statistic(self, stat: dict[str, Any]) -> Timeline:
        period_s = stat["Period"]
        start = aligned_start(self._start, self._now, period_s)
        metric = stat["Metric"]
        buckets = self._metrics.statistics(
            self._account,
            self._region,
            metric["Namespace"],
            metric["MetricName"],
            dimensions_of(metric),
            start=start,
            end=self._end,
            period_s=period_s,
            unit=stat.get("Unit"),
            combine_units=True,
            origin=start,
        )
        compute = parse_statistic(stat["Stat"])
        points = {b.time: value for b in buckets if (value := compute(b)) is not None}
        return Timeline(points, period_s, _grid(start, self._end, period_s), metric["MetricName"])

    def _longest_period(self, query_id: str) -> int:
        """Return the longest period of the metrics an expression stands on."""
        seen: set[str] = set()
        waiting = [query_id]
        periods_s = []
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._queries:
                continue
            seen.add(name)
            query = self._queries[name]
            if "MetricStat" in query:
                periods_s.append(query["MetricStat"]["Period"])
            else:
                waiting += references(query["Expression"], list(self._queries))
        return max(periods_s, default=_DEFAULT_PERIOD_S)


def _grid(start: float, end: float, period_s: int) -> range:
    return range(int(start), int(-(-end // 1)), period_s)
