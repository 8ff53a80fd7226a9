"""Request metrics by configuration: an alarm can watch the new fleet of a deployment alone."""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker_runtime.request_metrics import Outcome, Place, metrics_of

ACCOUNT = "111122223333"


def invocations(handlers: Any, **dimensions: str) -> float:
    found = handlers.call(
        "cloudwatch",
        "GetMetricStatistics",
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=handlers.clock.now() - 3600,
        EndTime=handlers.clock.now() + 3600,
        Period=60,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def test_invocations_count_for_the_variant_and_for_its_configuration(handlers: Any) -> None:
    metrics = metrics_of(handlers.platform)
    for config, number in (("old", 3), ("new", 2)):
        place = Place(ACCOUNT, "us-east-1", "e", "blue", config)
        for _ in range(number):
            metrics.count(place, handlers.clock.now(), Outcome(200, 0.1, 0.2, 1))
    metrics.flush()
    variant = {"EndpointName": "e", "VariantName": "blue"}
    assert invocations(handlers, **variant) == 5
    assert invocations(handlers, **variant, EndpointConfigName="old") == 3
    assert invocations(handlers, **variant, EndpointConfigName="new") == 2
