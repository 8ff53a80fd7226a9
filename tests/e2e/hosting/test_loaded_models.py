"""LoadedModelCount of a multi-model endpoint, minute by minute, on a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.endpoints.conftest import IMAGES, ROLE, Hosting
from tests.e2e.hosting.steering import clock, crash

from sagebrush.launch import PrivateServer

LIMIT_S = 30.0


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[Hosting]:
    """A multi-model endpoint on two instances, created in minute 0."""
    with PrivateServer(tmp_path / "server", ("--clock", "stopped")) as server:
        hosting = Hosting(server, tmp_path)
        for name in "abc":
            hosting.upload(f"models/{name}", hosting.linear([1.0], 2.0, "regressor"))
        container = {
            "Image": IMAGES["linear-learner"],
            "Mode": "MultiModel",
            "ModelDataUrl": f"s3://{hosting.bucket}/models/",
        }
        hosting.sagemaker.create_model(
            ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE
        )
        hosting.endpoint("many", {"ModelName": "many", "InitialInstanceCount": 2})
        yield hosting


def counts(hosting: Hosting) -> list[tuple[float, float]]:
    """Return sum and number of values of each minute from minute 0 on."""
    now = datetime.fromtimestamp(clock(hosting.server)["now_s"], UTC)
    points = hosting.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/Endpoints",
        MetricName="LoadedModelCount",
        Dimensions=[
            {"Name": "EndpointName", "Value": "many"},
            {"Name": "VariantName", "Value": "variant-0"},
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(seconds=1),
        Period=60,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    points.sort(key=lambda each: each["Timestamp"])
    return [(point["Sum"], point["SampleCount"]) for point in points]


def expect(hosting: Hosting, wanted: list[tuple[float, float]]) -> None:
    """Wait until the counts of all minutes are as wanted: a process is asked in the background."""
    give_up = time.monotonic() + LIMIT_S
    while (found := counts(hosting)) != wanted:
        assert time.monotonic() < give_up, found
        time.sleep(0.05)


def test_every_minute_of_every_instance_has_a_count(hosting: Hosting) -> None:
    quiet, three = (0.0, 2.0), (3.0, 2.0)
    expect(hosting, [quiet])
    clock(hosting.server, advance_s=180)
    expect(hosting, [quiet] * 4)
    for name in "abc":
        hosting.invoke("many", b"0", TargetModel=name)
    clock(hosting.server, advance_s=120)
    expect(hosting, [quiet] * 4 + [three] * 2)
    # Another server takes the processes over, and asks what they have.
    crash(hosting.server)
    hosting.again().settled("many")
    clock(hosting.server, advance_s=60)
    found = counts(hosting)
    give_up = time.monotonic() + LIMIT_S
    while len(found) < 7 or found[6] != three:
        assert time.monotonic() < give_up, found
        time.sleep(0.05)
        found = counts(hosting)
    hosting.sagemaker.delete_endpoint(EndpointName="many")
    hosting.gone("many")
    clock(hosting.server, advance_s=180)
    assert len(counts(hosting)) == 7
