"""Shadow variants: they get their share of copies, and nobody notices."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError


def create(hosting: Any, name: str, *, production: float, shadow: float, second: bytes) -> Any:
    hosting.model(f"{name}-one", hosting.kmeans((1.0, 0.0)))
    hosting.model(f"{name}-two", second)
    variants = [
        {
            "VariantName": variant,
            "ModelName": f"{name}-{model}",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": weight,
        }
        for variant, model, weight in (("first", "one", production), ("second", "two", shadow))
    ]
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=variants[:1],
        ShadowProductionVariants=variants[1:],
    )
    hosting.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return hosting.settled(name)


def counted(hosting: Any, name: str, variant: str, metric: str = "Invocations") -> float:
    now = datetime.now(UTC)
    points = hosting.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[
            {"Name": "EndpointName", "Value": name},
            {"Name": "VariantName", "Value": variant},
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_shadow_gets_its_share_and_answers_nobody(hosting: Any) -> None:
    told = create(hosting, "half", production=2.0, shadow=1.0, second=hosting.kmeans((2.0, 0.0)))
    (shadow,) = told["ShadowProductionVariants"]
    assert (shadow["VariantName"], shadow["CurrentInstanceCount"]) == ("second", 1)
    assert [one["VariantName"] for one in told["ProductionVariants"]] == ["first"]
    for _ in range(20):
        assert hosting.distance("half") == (1.0, "first")
    until(lambda: counted(hosting, "half", "second") == 10)
    assert counted(hosting, "half", "first") == 20
    with pytest.raises(ClientError) as caught:
        hosting.invoke("half", TargetVariant="second")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_shadow_that_fails_harms_nobody(hosting: Any) -> None:
    features = hosting.kmeans((2.0, 0.0, 0.0))
    create(hosting, "failing", production=1.0, shadow=1.0, second=features)
    for _ in range(10):
        assert hosting.distance("failing") == (1.0, "first")
    until(lambda: counted(hosting, "failing", "second", "Invocation4XXErrors") == 10)
    assert counted(hosting, "failing", "first", "Invocation4XXErrors") == 0
