"""Data capture: what two variants were asked and answered lies in S3, as Model Monitor reads it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

VARIANTS = [
    {"VariantName": "first", "ModelName": "one", "InitialInstanceCount": 1},
    {"VariantName": "second", "ModelName": "two", "InitialInstanceCount": 1},
]


def advance(endpoint: str, seconds: int) -> None:
    """Move the server's clock."""
    request = urllib.request.Request(
        f"{endpoint}/_sagebrush/clock",
        data=json.dumps({"advance_s": seconds}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def captured(hosting: Any, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield key and document of every captured line, once there are `count` of them."""
    s3 = hosting.client("s3")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        listed = s3.list_objects_v2(Bucket=hosting.bucket, Prefix="captured/").get("Contents", [])
        bodies = {
            one["Key"]: s3.get_object(Bucket=hosting.bucket, Key=one["Key"])["Body"].read()
            for one in listed
        }
        lines = [
            (key, json.loads(line)) for key, body in bodies.items() for line in body.splitlines()
        ]
        if len(lines) >= count:
            yield from lines
            return
        time.sleep(0.02)
    raise AssertionError(f"only {lines} captured")


def endpoint(hosting: Any, name: str, percentage: int) -> Any:
    hosting.model("one", hosting.kmeans((1.0, 0.0)))
    hosting.model("two", hosting.kmeans((2.0, 0.0)))
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"} for variant in VARIANTS],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": percentage,
            "DestinationS3Uri": f"s3://{hosting.bucket}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": ["text/csv"],
                "JsonContentTypes": ["application/json"],
            },
        },
    )
    hosting.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return hosting.settled(name)


def test_requests_and_answers_are_captured(hosting: Any) -> None:
    told = endpoint(hosting, "all", 100)
    assert told["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{hosting.bucket}/captured",
        "KmsKeyId": "",
    }
    for number in range(6):
        hosting.invoke("all", f"{number},0", InferenceId=f"id-{number}", CustomAttributes="x=1")
    advance(hosting.server.endpoint, 15)
    lines = list(captured(hosting, 6))
    assert len(lines) == 6
    hour = datetime.now(UTC)
    for key, line in lines:
        _, name, variant, *when = key.split("/")
        assert name == "all"
        assert len(when) == 5
        # Within an hour: it may have struck meanwhile.
        assert abs((datetime(*map(int, when[:4]), tzinfo=UTC) - hour).total_seconds()) < 7200
        asked = line["captureData"]["endpointInput"]
        answered = line["captureData"]["endpointOutput"]
        assert (asked["encoding"], answered["encoding"]) == ("CSV", "JSON")
        number = line["eventMetadata"]["inferenceId"].removeprefix("id-")
        assert asked["data"] == f"{number},0"
        (prediction,) = json.loads(answered["data"])["predictions"]
        centre = {"first": 1, "second": 2}[variant]
        assert prediction["distance_to_cluster"] == abs(int(number) - centre)
        assert line["eventMetadata"]["customAttributes"] == ["x=1"]
    assert {key.split("/")[2] for key, _ in lines} == {"first", "second"}


def test_a_share_of_the_requests_is_captured(hosting: Any) -> None:
    endpoint(hosting, "share", 25)
    for _ in range(40):
        hosting.invoke("share")
    advance(hosting.server.endpoint, 15)
    assert len(list(captured(hosting, 10))) == 10
