"""Data points in and statistics out, through boto3."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from sagebrush.engines.metrics import MetricDatum

DIMENSIONS = [{"Name": "TrainingJobName", "Value": "job"}]


@pytest.fixture
def cloudwatch(client: Any) -> Any:
    return client("cloudwatch")


@pytest.fixture
def start() -> int:
    """Ten whole minutes ago."""
    return int(time.time()) // 60 * 60 - 600


def put(cloudwatch: Any, *data: dict[str, Any], namespace: str = "NS") -> None:
    entries = [{"MetricName": "m"} | datum for datum in data]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=entries)


def statistics(cloudwatch: Any, start: int, **request: Any) -> list[dict[str, Any]]:
    given = {
        "Namespace": "NS",
        "MetricName": "m",
        "StartTime": start,
        "EndTime": start + 600,
        "Period": 60,
        "Statistics": ["Average"],
    }
    return list(cloudwatch.get_metric_statistics(**(given | request))["Datapoints"])


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_every_protocol_carries_the_same(
    client: Any, start: int, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.model import ServiceModel

    monkeypatch.setattr(ServiceModel, "resolved_protocol", protocol)
    cloudwatch = client("cloudwatch")
    assert cloudwatch.meta.service_model.resolved_protocol == protocol
    put(cloudwatch, {"Timestamp": start, "Value": 0.1, "Dimensions": DIMENSIONS, "Unit": "Count"})
    (point,) = statistics(cloudwatch, start, Dimensions=DIMENSIONS)
    assert point["Timestamp"].timestamp() == start
    assert (point["Average"], point["Unit"]) == (0.1, "Count")
    (metric,) = cloudwatch.list_metrics()["Metrics"]
    assert metric == {"Namespace": "NS", "MetricName": "m", "Dimensions": DIMENSIONS}


def test_statistics_over_periods(cloudwatch: Any, start: int) -> None:
    put(cloudwatch, *({"Timestamp": start + 30 * n, "Value": float(n)} for n in range(8)))
    asked = ["SampleCount", "Sum", "Minimum", "Maximum", "Average"]
    points = statistics(cloudwatch, start, Period=120, Statistics=asked)
    assert [point["Timestamp"].timestamp() - start for point in points] == [0, 120]
    assert [[point[name] for name in asked] for point in points] == [
        [4.0, 6.0, 0.0, 3.0, 1.5],
        [4.0, 22.0, 4.0, 7.0, 5.5],
    ]


def test_values_with_counts_and_percentiles(cloudwatch: Any, start: int) -> None:
    put(cloudwatch, {"Timestamp": start, "Values": [1.0, 5.0], "Counts": [3.0, 1.0]})
    request = {"Statistics": [], "ExtendedStatistics": ["p50", "p100", "tm(2:9)"]}
    del request["Statistics"]
    answer = cloudwatch.get_metric_statistics(
        Namespace="NS",
        MetricName="m",
        StartTime=start,
        EndTime=start + 60,
        Period=60,
        **request,
    )
    (point,) = answer["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 1.0, "p100": 5.0, "tm(2:9)": 5.0}


def test_statistic_sets(cloudwatch: Any, start: int) -> None:
    given = {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}
    put(cloudwatch, {"Timestamp": start, "StatisticValues": given})
    (point,) = statistics(cloudwatch, start, Statistics=["SampleCount", "Average", "Maximum"])
    assert (point["SampleCount"], point["Average"], point["Maximum"]) == (4, 2.5, 4)


def test_list_metrics_filters(cloudwatch: Any) -> None:
    put(cloudwatch, {"Value": 1.0, "Dimensions": DIMENSIONS})
    put(cloudwatch, {"Value": 1.0}, {"MetricName": "n", "Value": 1.0}, namespace="Other")

    def names(**request: Any) -> list[tuple[str, str]]:
        metrics = cloudwatch.list_metrics(**request)["Metrics"]
        return sorted((metric["Namespace"], metric["MetricName"]) for metric in metrics)

    assert names() == [("NS", "m"), ("Other", "m"), ("Other", "n")]
    assert names(Namespace="Other", MetricName="n") == [("Other", "n")]
    assert names(Dimensions=[{"Name": "TrainingJobName"}]) == [("NS", "m")]
    assert names(Dimensions=[{"Name": "TrainingJobName", "Value": "x"}]) == []


def test_list_metrics_knows_what_was_counted_a_moment_ago(handlers: Any) -> None:
    metrics = handlers.platform.metrics
    datum = MetricDatum("counted", {}, handlers.clock.now(), value=1.0)
    metrics.before_read.append(lambda: metrics.put("111122223333", "us-east-1", "NS", [datum]))
    (listed,) = handlers.call("cloudwatch", "ListMetrics", Namespace="NS")["Metrics"]
    assert listed["MetricName"] == "counted"


def test_list_metrics_pages(cloudwatch: Any) -> None:
    put(cloudwatch, *({"MetricName": f"m{n}", "Value": 1.0} for n in range(501)))
    pages = [page["Metrics"] for page in cloudwatch.get_paginator("list_metrics").paginate()]
    assert [len(page) for page in pages] == [500, 1]


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Value": math.nan}, "InvalidParameterValue"),
        ({"Value": math.inf}, "InvalidParameterValue"),
        ({"Value": 1e300}, "InvalidParameterValue"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Values": [1.0] * 151}, "InvalidParameterValue"),
        ({"Value": 1.0, "StorageResolution": 5}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": time.time() - 15 * 86_400}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": time.time() + 3 * 3600}, "InvalidParameterValue"),
        (
            {"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
        ),
    ],
)
def test_data_that_break_a_rule_are_refused(
    cloudwatch: Any, refusal: Any, datum: dict[str, Any], code: str
) -> None:
    data = [{"MetricName": "good", "Value": 1.0}, {"MetricName": "m"} | datum]
    refused = refusal(cloudwatch.put_metric_data, Namespace="NS", MetricData=data)
    assert refused[0] == code
    assert cloudwatch.list_metrics()["Metrics"] == []


def test_awss_namespaces_are_awss(cloudwatch: Any, refusal: Any) -> None:
    data = [{"MetricName": "m", "Value": 1.0}]
    refused = refusal(cloudwatch.put_metric_data, Namespace="AWS/SageMaker", MetricData=data)
    assert refused[0] == "InvalidParameterValue"
    cloudwatch.put_metric_data(Namespace="/aws/sagemaker/TrainingJobs", MetricData=data)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"EndTime": 0}, "InvalidParameterValue"),
        ({"Period": 61}, "InvalidParameterValue"),
        ({"StartTime": 0}, "InvalidParameterCombination"),
        ({"ExtendedStatistics": ["p50"]}, "InvalidParameterCombination"),
    ],
)
def test_questions_that_break_a_rule_are_refused(
    cloudwatch: Any, refusal: Any, start: int, change: dict[str, Any], code: str
) -> None:
    asked = {
        "Namespace": "NS",
        "MetricName": "m",
        "StartTime": start,
        "EndTime": start + 60,
        "Period": 60,
        "Statistics": ["Sum"],
    }
    assert refusal(cloudwatch.get_metric_statistics, **(asked | change))[0] == code
