"""Log streams, metrics from log lines, metrics of hosts."""

from __future__ import annotations

import math

from sagebrush.services.sagemaker.jobs.logs import MetricScanner

from .conftest import ACCOUNT, KMEANS, Server

_DEFINED = {
    "AlgorithmSpecification": {
        "TrainingImage": KMEANS,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": r"loss=(\S+)"}],
    }
}


def test_lines_as_the_log_agent_sends_them(server: Server) -> None:
    server.train("lines", r"printf 'a\tb\n\nlast'")
    assert server.log("lines") == {"algo-1": ["a#011b", "last"]}


def test_each_host_has_a_stream(server: Server) -> None:
    server.train(
        "hosts",
        "hostname; echo $SM_CURRENT_HOST",
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    lines = server.log("hosts")
    assert {host: said[-1] for host, said in lines.items()} == {
        "algo-1": "algo-1",
        "algo-2": "algo-2",
    }


def test_last_value_of_a_metric_is_final(server: Server) -> None:
    job = server.train("metrics", "echo loss=2.5; echo loss=nan; echo loss=1.5; echo x", **_DEFINED)
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 1.5)
    assert metric["Timestamp"] <= job["TrainingEndTime"]
    metrics = server.platform.metrics
    (series,) = metrics.series(
        ACCOUNT, server.region, namespace="/aws/sagemaker/TrainingJobs", name="loss"
    )
    assert series.dimensions == {"TrainingJobName": "metrics"}


def test_hosts_tell_what_they_used(server: Server) -> None:
    server.train("used", "exit 0")
    series = server.platform.metrics.series(
        ACCOUNT, server.region, namespace="/aws/sagemaker/TrainingJobs"
    )
    names = {item.name for item in series if item.dimensions == {"Host": "used/algo-1"}}
    assert {"CPUUtilization", "DiskUtilization"} <= names


def test_built_in_metrics_match_their_lines() -> None:
    scanner = MetricScanner(
        [{"Name": "validation:rmse", "Regex": r".*\[[0-9]+\].*#011validation-rmse:(\S+)"}]
    )
    assert list(scanner.scan("[3]#011train-rmse:0.5#011validation-rmse:0.75")) == [
        ("validation:rmse", 0.75)
    ]
    assert list(scanner.scan("[3]#011validation-rmse:inf")) == [("validation:rmse", math.inf)]
    assert list(scanner.scan("nothing")) == []
