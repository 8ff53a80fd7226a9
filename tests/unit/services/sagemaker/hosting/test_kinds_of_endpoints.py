"""What configurations of asynchronous and serverless endpoints may say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.hosting.asynchronous import check_asynchronous, is_asynchronous
from sagebrush.services.sagemaker.hosting.serverless import (
    check_conversion,
    check_serverless,
    config_of,
    note_demand,
    size_of,
)

LIMITS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
RARE = {"VariantName": "all", "ModelName": "m", "ServerlessConfig": LIMITS}
USUAL = {
    "VariantName": "all",
    "ModelName": "m",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}
MODEL = {"PrimaryContainer": {"Image": "image"}}
OUTPUT = {"S3OutputPath": "s3://b/out"}
TOPIC = "arn:aws:sns:us-east-1:111122223333:t"


def refused(call: Any, *given: Any) -> str:
    with pytest.raises(ApiError) as caught:
        call(*given)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def rare(**changes: Any) -> dict[str, Any]:
    return RARE | {"ServerlessConfig": LIMITS | changes}


@pytest.mark.parametrize("memory_mb", [1024, 2048, 3072, 4096, 5120, 6144])
def test_memory_sizes_and_the_cpus_that_go_with_them(memory_mb: int) -> None:
    variant = rare(MemorySizeInMB=memory_mb)
    check_serverless({"ProductionVariants": [variant]}, {"m": MODEL})
    size = size_of(variant)
    assert size.memory_bytes == memory_mb << 20
    assert 1 <= size.cpu_count <= 3


def test_instances_have_the_size_of_their_type() -> None:
    assert size_of(USUAL).cpu_count == 2
    check_serverless({"ProductionVariants": [USUAL, USUAL]}, {"m": MODEL})


@pytest.mark.parametrize(
    ("variants", "model", "fields", "words"),
    [
        ([rare(MemorySizeInMB=1500)], {}, {}, "MemorySizeInMB 1500"),
        ([rare(ProvisionedConcurrency=6)], {}, {}, "ProvisionedConcurrency 6"),
        ([RARE, USUAL], {}, {}, "only one production variant"),
        ([RARE | {"InstanceType": "ml.m5.large"}], {}, {}, "InstanceType"),
        ([RARE | {"VolumeSizeInGB": 5}], {}, {}, "VolumeSizeInGB"),
        ([RARE], {}, {"DataCaptureConfig": {"EnableCapture": True}}, "data capture"),
        ([RARE], {}, {"VpcConfig": {"Subnets": ["s"]}}, "VPC"),
        ([RARE], {}, {"EnableNetworkIsolation": True}, "network isolation"),
        ([RARE], {"EnableNetworkIsolation": True}, {}, "network isolation"),
        ([RARE], {"VpcConfig": {"Subnets": ["s"]}}, {}, "VPC"),
        (
            [RARE],
            {"PrimaryContainer": {"Image": "image", "Mode": "MultiModel"}},
            {},
            "multi-model",
        ),
    ],
)
def test_what_serverless_endpoints_do_not_have(
    variants: list[Any], model: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    request = {"ProductionVariants": variants} | fields
    assert words in refused(check_serverless, request, {"m": MODEL | model})


def test_pipelines_are_not_serverless() -> None:
    model = {"Containers": [{"Image": "image"}, {"Image": "image"}]}
    assert "pipelines" in refused(check_serverless, {"ProductionVariants": [RARE]}, {"m": model})


def test_instances_do_not_become_serverless() -> None:
    def endpoint(variant: dict[str, Any]) -> Any:
        return SimpleNamespace(arn="arn", state={"variants": [{"variant": variant}]})

    for now, wanted in ((RARE, RARE), (RARE, USUAL), (USUAL, USUAL)):
        check_conversion(endpoint(now), {"ProductionVariants": [wanted]})
    words = refused(check_conversion, endpoint(USUAL), {"ProductionVariants": [RARE]})
    assert "cannot be converted to a serverless endpoint" in words


def test_a_change_of_demand_is_kept_beside_the_configuration() -> None:
    item: dict[str, Any] = {"variant": RARE}
    assert config_of(item) == LIMITS
    note_demand(item, {"VariantName": "all"})
    assert config_of(item) == LIMITS
    note_demand(item, {"ServerlessUpdateConfig": {"ProvisionedConcurrency": 2}})
    note_demand(item, {"ServerlessUpdateConfig": {"MaxConcurrency": 2}})
    assert config_of(item) == LIMITS | {"ProvisionedConcurrency": 2, "MaxConcurrency": 2}
    for wrong in (
        {"ServerlessUpdateConfig": {}},
        {"ServerlessUpdateConfig": {"MaxConcurrency": 1}},
        {"DesiredInstanceCount": 1},
    ):
        refused(note_demand, item, wrong)
    usual = {"variant": USUAL}
    note_demand(usual, {"DesiredInstanceCount": 1})
    refused(note_demand, usual, {"ServerlessUpdateConfig": {"MaxConcurrency": 2}})


@pytest.mark.parametrize(
    ("output", "fields", "words"),
    [
        ({}, {}, "without S3OutputPath"),
        ({"S3OutputPath": "https://example.com"}, {}, "S3OutputPath"),
        (OUTPUT | {"S3FailurePath": "nowhere"}, {}, "S3FailurePath"),
        (
            OUTPUT
            | {
                "NotificationConfig": {
                    "SuccessTopic": TOPIC,
                    "IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"],
                }
            },
            {},
            "no ErrorTopic",
        ),
        (OUTPUT, {"DataCaptureConfig": {"EnableCapture": True}}, "DataCaptureConfig"),
        (OUTPUT, {"ProductionVariants": [RARE]}, "ServerlessConfig"),
    ],
)
def test_what_asynchronous_endpoints_do_not_have(
    output: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    request = {
        "ProductionVariants": [USUAL],
        "AsyncInferenceConfig": {"OutputConfig": output},
    }
    assert words in refused(check_asynchronous, request | fields)


def test_asynchronous_endpoints() -> None:
    notices = {
        "SuccessTopic": TOPIC,
        "ErrorTopic": TOPIC,
        "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"],
    }
    config = {"OutputConfig": OUTPUT | {"NotificationConfig": notices}}
    request = {"ProductionVariants": [USUAL], "AsyncInferenceConfig": config}
    check_asynchronous(request)
    assert is_asynchronous(request)
    check_asynchronous({"ProductionVariants": [USUAL]})
    assert not is_asynchronous({"ProductionVariants": [USUAL]})
