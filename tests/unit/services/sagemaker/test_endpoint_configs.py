"""Endpoint configurations: created, described, listed, deleted, refused."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.base.errors import ApiError

ACCOUNT = "111122223333"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
VARIANT = {
    "VariantName": "all",
    "ModelName": "model",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}


@pytest.fixture
def server_with_model(server: Any) -> Any:
    server.call("CreateModel", ModelName="model", PrimaryContainer={"Image": KMEANS})
    return server


def create(server: Any, name: str, *variants: dict[str, Any], **fields: Any) -> str:
    answer = server.call(
        "CreateEndpointConfig",
        EndpointConfigName=name,
        ProductionVariants=list(variants) or [VARIANT],
        **fields,
    )
    return str(answer["EndpointConfigArn"])


def test_create_endpoint_config_describes_with_defaults(server_with_model: Any) -> None:
    server = server_with_model
    arn = create(server, "One", VARIANT, VARIANT | {"VariantName": "b", "InitialVariantWeight": 3})
    assert arn == f"arn:aws:sagemaker:{server.region}:{ACCOUNT}:endpoint-config/one"
    told = server.call("DescribeEndpointConfig", EndpointConfigName="One")
    assert told.pop("CreationTime") > 0
    assert told == {
        "EndpointConfigName": "One",
        "EndpointConfigArn": arn,
        "EnableNetworkIsolation": False,
        "ProductionVariants": [
            VARIANT | {"InitialVariantWeight": 1.0},
            VARIANT | {"VariantName": "b", "InitialVariantWeight": 3},
        ],
    }


@pytest.mark.parametrize(
    ("variants", "fields", "words"),
    [
        ([VARIANT | {"ModelName": "none"}], {}, "Could not find model"),
        ([VARIANT, VARIANT], {}, "Variant names must be unique"),
        ([VARIANT | {"InitialVariantWeight": 0}], {}, "weight greater than 0"),
        ([VARIANT | {"InitialInstanceCount": 0}], {}, "must be at least 1"),
        (
            [VARIANT | {"VariantName": str(number)} for number in range(11)],
            {},
            "at most 10 production variants",
        ),
        ([{"VariantName": "a", "ModelName": "model"}], {}, "InstanceType is required"),
        (
            [VARIANT | {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}],
            {},
            "InstanceType cannot be specified together with ServerlessConfig",
        ),
        ([VARIANT], {"AsyncInferenceConfig": {"OutputConfig": {}}}, "without S3OutputPath"),
        (
            [VARIANT, VARIANT | {"VariantName": "b"}],
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}}},
            "Multiple production variants are not supported when specifying an Async",
        ),
        (
            [VARIANT | {"RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}}],
            {},
            "RoutingStrategy PREFIX_AWARE is not supported",
        ),
        (
            [VARIANT | {"AcceleratorType": "ml.eia1.medium"}],
            {},
            "ProductionVariant.AcceleratorType",
        ),
        ([VARIANT], {"MetricsConfig": {"EnableEnhancedMetrics": True}}, "EnableEnhancedMetrics"),
        (
            [VARIANT],
            {"MetricsConfig": {"MetricPublishFrequencyInSeconds": 10}},
            "MetricPublishFrequencyInSeconds 10",
        ),
        ([VARIANT], {"ShadowProductionVariants": [VARIANT]}, "names must be unique"),
        (
            [VARIANT, VARIANT | {"VariantName": "b"}],
            {"ShadowProductionVariants": [VARIANT | {"VariantName": "c"}]},
            "only one variant in ProductionVariants",
        ),
        (
            [VARIANT | {"InitialVariantWeight": 1.0}],
            {
                "ShadowProductionVariants": [
                    VARIANT | {"VariantName": "c", "InitialVariantWeight": 1.5}
                ]
            },
            "must not be greater",
        ),
        (
            [VARIANT],
            {
                "DataCaptureConfig": {
                    "EnableCapture": True,
                    "InitialSamplingPercentage": 100,
                    "DestinationS3Uri": "https://somewhere/else",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            "DestinationS3Uri",
        ),
    ],
)
def test_create_endpoint_config_refuses(
    server_with_model: Any, variants: list[Any], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ApiError) as caught:
        create(server_with_model, "refused", *variants, **fields)
    assert caught.value.code == "ValidationException"
    assert words in caught.value.message
    assert server_with_model.call("ListEndpointConfigs")["EndpointConfigs"] == []


def test_endpoint_configs_have_names_of_their_own(server_with_model: Any) -> None:
    server = server_with_model
    arn = create(server, "own")
    with pytest.raises(ApiError) as caught:
        create(server, "own")
    assert caught.value.message == f'Cannot create already existing endpoint configuration "{arn}".'
    listed = server.call("ListEndpointConfigs", NameContains="w")["EndpointConfigs"]
    assert [item["EndpointConfigArn"] for item in listed] == [arn]
    server.call("DeleteEndpointConfig", EndpointConfigName="own")
    with pytest.raises(ApiError) as caught:
        server.call("DescribeEndpointConfig", EndpointConfigName="own")
    assert caught.value.message == f'Could not find endpoint configuration "{arn}".'
    create(server, "own")
