"""Metric series: data points per name and dimensions, aggregated over periods on reading."""

from sagebrush.engines.metrics.counting import Counts, Numbers
from sagebrush.engines.metrics.records import MetricDatum, Series, StatisticSet
from sagebrush.engines.metrics.statistics import Bucket, parse_statistic
from sagebrush.engines.metrics.store import MetricStore

__all__ = [
    "Bucket",
    "Counts",
    "MetricDatum",
    "MetricStore",
    "Numbers",
    "Series",
    "StatisticSet",
    "parse_statistic",
]
