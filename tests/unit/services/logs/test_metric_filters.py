"""Metric filters turn events into data points."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest


@pytest.fixture
def logs(client: Any) -> Any:
    logs = client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    return logs


def put_filter(logs: Any, pattern: str, **transformation: Any) -> None:
    given = {"metricName": "m", "metricNamespace": "NS", "metricValue": "1"} | transformation
    logs.put_metric_filter(
        logGroupName="g", filterName="f", filterPattern=pattern, metricTransformations=[given]
    )


def put_events(logs: Any, *messages: str) -> None:
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms, "message": message} for message in messages]
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)


def total(client: Any, **dimensions: str) -> float:
    answer = client("cloudwatch").get_metric_statistics(
        Namespace="NS",
        MetricName="m",
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
        StartTime=time.time() - 600,
        EndTime=time.time() + 600,
        Period=3600,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in answer["Datapoints"])


def test_matching_events_are_counted(logs: Any, client: Any) -> None:
    put_filter(logs, "ERROR")
    put_events(logs, "ERROR 1", "fine", "ERROR 2")
    assert total(client) == 2
    logs.delete_metric_filter(logGroupName="g", filterName="f")
    put_events(logs, "ERROR 3")
    assert total(client) == 2


def test_values_and_dimensions_come_from_the_event(logs: Any, client: Any) -> None:
    put_filter(logs, "{ $.loss > 0 }", metricValue="$.loss", dimensions={"job": "$.job"})
    put_events(logs, *(json.dumps({"loss": loss, "job": "a"}) for loss in (0.5, 0.25, -1)))
    put_events(logs, json.dumps({"loss": 4, "job": "b"}))
    assert total(client, job="a") == 0.75
    assert total(client, job="b") == 4


def test_values_come_from_columns_and_text_that_is_no_number_is_left_out(
    logs: Any, client: Any
) -> None:
    put_filter(logs, "[name = loss, value]", metricValue="$value")
    put_events(logs, "loss 3", "loss nan", "loss high", "other 5")
    assert total(client) == 3


def test_describe(logs: Any) -> None:
    put_filter(logs, "ERROR", defaultValue=0.0)
    (described,) = logs.describe_metric_filters(logGroupName="g")["metricFilters"]
    assert described["metricTransformations"][0]["defaultValue"] == 0.0
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    assert logs.describe_metric_filters(filterNamePrefix="x")["metricFilters"] == []


@pytest.mark.parametrize(
    "transformation",
    [
        {"metricValue": "$.a["},
        {"metricValue": "$unknown"},
        {"metricValue": "much"},
        {"metricValue": "nan"},
        {"dimensions": {"a": "$.b"}, "defaultValue": 1.0},
    ],
)
def test_a_filter_that_could_give_no_number_is_refused(
    logs: Any, refusal: Any, transformation: dict[str, Any]
) -> None:
    given = {"metricName": "m", "metricNamespace": "NS", "metricValue": "1"} | transformation
    code, _ = refusal(
        logs.put_metric_filter,
        logGroupName="g",
        filterName="f",
        filterPattern="ERROR",
        metricTransformations=[given],
    )
    assert code == "InvalidParameterException"


def test_test_metric_filter(logs: Any) -> None:
    answer = logs.test_metric_filter(
        filterPattern="[level, code]", logEventMessages=["ERROR 5", "one", "WARN 6"]
    )
    assert [(m["eventNumber"], m["extractedValues"]) for m in answer["matches"]] == [
        (1, {"$level": "ERROR", "$code": "5"}),
        (3, {"$level": "WARN", "$code": "6"}),
    ]
