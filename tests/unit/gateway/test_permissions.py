"""Which permission an operation needs (Service Authorization Reference)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.gateway.permissions import Permission, required_permission
from sagebrush.wire import load

SNS = "arn:aws:sns:us-east-1:000000000000"
SAGEMAKER = "arn:aws:sagemaker:us-east-1:000000000000"
SQS = "arn:aws:sqs:us-east-1:000000000000"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "k/x"}, "s3:GetObject", "arn:aws:s3:::b/k/x"),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, "s3:GetObject", "arn:aws:s3:::b/k"),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, "s3:ListBucket", "arn:aws:s3:::b"),
        ("s3", "ListBuckets", {}, "s3:ListAllMyBuckets", "*"),
        ("s3", "UploadPart", {"Bucket": "b", "Key": "k"}, "s3:PutObject", "arn:aws:s3:::b/k"),
        (
            "sagemaker",
            "CreateTrainingJob",
            {"TrainingJobName": "j", "RoleArn": "arn:aws:iam::1:role/r"},
            "sagemaker:CreateTrainingJob",
            "arn:aws:sagemaker:us-east-1:000000000000:training-job/j",
        ),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "e"},
            "sagemaker:InvokeEndpoint",
            "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e",
        ),
        ("iam", "GetRole", {"RoleName": "r"}, "iam:GetRole", "arn:aws:iam::000000000000:role/r"),
        (
            "sts",
            "AssumeRole",
            {"RoleArn": "arn:aws:iam::1:role/r"},
            "sts:AssumeRole",
            "arn:aws:iam::1:role/r",
        ),
        (
            "kms",
            "Encrypt",
            {"KeyId": "alias/a"},
            "kms:Encrypt",
            "arn:aws:kms:us-east-1:000000000000:alias/a",
        ),
        ("sns", "CreateTopic", {"Name": "t"}, "sns:CreateTopic", f"{SNS}:t"),
        ("sns", "PublishBatch", {"TopicArn": f"{SNS}:t"}, "sns:Publish", f"{SNS}:t"),
        ("sns", "Publish", {"TargetArn": f"{SNS}:t"}, "sns:Publish", f"{SNS}:t"),
        ("sns", "Unsubscribe", {"SubscriptionArn": f"{SNS}:t:k"}, "sns:Unsubscribe", f"{SNS}:t"),
        ("sqs", "CreateQueue", {"QueueName": "q"}, "sqs:CreateQueue", f"{SQS}:q"),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "http://localhost/000000000000/q"},
            "sqs:SendMessage",
            f"{SQS}:q",
        ),
        ("cloudwatch", "PutMetricData", {"Namespace": "n"}, "cloudwatch:PutMetricData", "*"),
    ],
)
def test_action_and_resource(
    service: str, operation: str, parameters: dict[str, Any], action: str, resource: str
) -> None:
    needed = _needed(service, operation, parameters)
    assert (needed.action, needed.resources) == (action, (resource,))


@pytest.mark.parametrize(
    ("operation", "parameters", "resources"),
    [
        (
            "CreateEndpoint",
            {"EndpointName": "E", "EndpointConfigName": "C"},
            ["endpoint/e", "endpoint-config/c"],
        ),
        ("UpdateEndpoint", {"EndpointName": "E"}, ["endpoint/e"]),
        ("CreateEndpointConfig", {"EndpointConfigName": "c"}, ["endpoint-config/c"]),
        ("CreateTransformJob", {"TransformJobName": "t", "ModelName": "m"}, ["transform-job/t"]),
        (
            "CreateInferenceComponent",
            {"InferenceComponentName": "i", "EndpointName": "e"},
            ["inference-component/i", "endpoint/e"],
        ),
        ("DescribeInferenceExperiment", {"Name": "x"}, ["inference-experiment/x"]),
    ],
)
def test_resources_of_sagemaker(
    operation: str, parameters: dict[str, Any], resources: list[str]
) -> None:
    needed = _needed("sagemaker", operation, parameters)
    assert needed.resources == tuple(f"{SAGEMAKER}:{each}" for each in resources)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "keys"),
    [
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "e", "TargetModel": "a/b.tar.gz", "InferenceComponentName": "i"},
            {"sagemaker:TargetModel": ["a/b.tar.gz"]},
        ),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "e", "TargetContainerHostname": "second"},
            {
                "sagemaker:TargetModel": ["second"],
                "sagemaker:TargetContainerHostname": ["second"],
            },
        ),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"}, {}),
        (
            "sagemaker",
            "CreateEndpointConfig",
            {
                "EndpointConfigName": "c",
                "KmsKeyId": "key",
                "EnableNetworkIsolation": True,
                "Tags": [{"Key": "Team", "Value": "red"}],
                "VpcConfig": {"SecurityGroupIds": ["g"], "Subnets": ["s", "t"]},
                "ProductionVariants": [
                    {"ModelName": "One", "InstanceType": "ml.m5.large"},
                    {"ModelName": "two", "InstanceType": "ml.m5.large"},
                ],
                "ShadowProductionVariants": [
                    {
                        "ModelName": "two",
                        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 3},
                    }
                ],
            },
            {
                "sagemaker:InstanceTypes": ["ml.m5.large"],
                "sagemaker:ModelArn": [f"{SAGEMAKER}:model/one", f"{SAGEMAKER}:model/two"],
                "sagemaker:NetworkIsolation": ["true"],
                "sagemaker:ServerlessMaxConcurrency": ["3"],
                "sagemaker:ServerlessMemorySize": ["1024"],
                "sagemaker:VolumeKmsKey": ["key"],
                "sagemaker:VpcSecurityGroupIds": ["g"],
                "sagemaker:VpcSubnets": ["s", "t"],
                "aws:RequestTag/Team": ["red"],
                "aws:TagKeys": ["Team"],
            },
        ),
        (
            "sagemaker",
            "CreateTransformJob",
            {"ModelName": "m", "TransformResources": {"InstanceType": "ml.c5.large"}},
            {
                "sagemaker:InstanceTypes": ["ml.c5.large"],
                "sagemaker:ModelArn": [f"{SAGEMAKER}:model/m"],
            },
        ),
    ],
)
def test_condition_keys_of_sagemaker(
    service: str, operation: str, parameters: dict[str, Any], keys: dict[str, list[str]]
) -> None:
    assert _needed(service, operation, parameters).keys == keys


def _needed(service: str, operation: str, parameters: dict[str, Any]) -> Permission:
    context: Any = SimpleNamespace(
        region="us-east-1",
        arn=lambda service, resource: f"arn:aws:{service}:us-east-1:000000000000:{resource}",
    )
    routed: Any = SimpleNamespace(
        service=service, operation=operation, operation_model=load(service).operations[operation]
    )
    return required_permission(context, routed, parameters)
