"""Request metrics by configuration, so that an alarm can watch the new fleet of a deployment alone,
and over the end of the server that counted them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.services.minute_sums import Series, minute_sums_of, resume_minute_sums
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


def test_concurrent_requests_are_told_per_instance(handlers: Any) -> None:
    """Each instance tells its own; only of the variant, as the monitoring page has it."""
    metrics, now = metrics_of(handlers.platform), handlers.clock.now()
    place = Place(ACCOUNT, "us-east-1", "e", "blue", "config")
    for concurrent in (2, 8):
        metrics.count(place, now, Outcome(200, 0.1, 0.2, 2, concurrent))
    metrics.flush()
    variant = {"EndpointName": "e", "VariantName": "blue"}

    def of(dimensions: dict[str, str]) -> list[Any]:
        return handlers.platform.metrics.statistics(
            *(ACCOUNT, "us-east-1", "AWS/SageMaker", "ConcurrentRequestsPerModel", dimensions),
            start=now - 60,
            end=now + 60,
            period_s=120,
        )

    (bucket,) = of(variant)
    assert (bucket.count, bucket.minimum, bucket.maximum) == (2, 1.0, 4.0)
    assert of(variant | {"EndpointConfigName": "config"}) == []


def test_what_a_killed_server_counted_is_stored_by_the_next(handlers: Any) -> None:
    place = Place(ACCOUNT, "us-east-1", "e", "blue", "config")
    now = handlers.clock.now()
    for status in (200, 500, 404):
        metrics_of(handlers.platform).count(place, now, Outcome(status, 0.1, 0.3, 2))
    # Another server on the same data knows nothing of the first one's memory.
    handlers.platform.workers.clear()
    metrics_of(handlers.platform).count(place, now, Outcome(200, 0.5, 0.6, 2))
    metrics_of(handlers.platform).flush()
    handlers.platform.workers.clear()
    metrics_of(handlers.platform).flush()
    variant = {"EndpointName": "e", "VariantName": "blue"}
    assert invocations(handlers, **variant) == 4

    def of(name: str) -> Any:
        (bucket,) = handlers.platform.metrics.statistics(
            *(ACCOUNT, "us-east-1", "AWS/SageMaker", name, variant),
            start=now - 60,
            end=now + 60,
            period_s=120,
        )
        return bucket

    latency, shares = of("ModelLatency"), of("InvocationsPerInstance")
    assert (latency.minimum, latency.maximum, latency.sum) == (1e5, 5e5, 8e5)
    assert (shares.sum, shares.minimum, shares.maximum) == (2.0, 0.5, 0.5)
    assert of("OverheadLatency").maximum == pytest.approx(2e5)
    errors = [of(f"Invocation{kind}Errors").sum for kind in ("4XX", "5XX", "Model")]
    assert errors == [1, 1, 2]


def test_sums_of_a_killed_server_are_stored_by_the_next(handlers: Any) -> None:
    dimensions = (("EndpointName", "e"), ("ContainerName", "c"))
    series = Series(ACCOUNT, "us-east-1", "NS", "m", "Microseconds", dimensions)
    now = handlers.clock.now()

    async def story() -> None:
        resume_minute_sums(handlers.platform)
        assert not handlers.platform.workers
        for value in (3.0, 1.0, 2.0):
            minute_sums_of(handlers.platform).add(series, now, value)
        handlers.platform.workers.clear()
        handlers.platform.metrics.before_read.clear()
        resume_minute_sums(handlers.platform)

    asyncio.run(story())
    (bucket,) = handlers.platform.metrics.statistics(
        *(ACCOUNT, "us-east-1", "NS", "m", dict(dimensions)),
        start=now - 60,
        end=now + 60,
        period_s=120,
    )
    assert (bucket.count, bucket.sum, bucket.minimum, bucket.maximum) == (3, 6.0, 1.0, 3.0)
    assert bucket.unit == "Microseconds"
