"""Page tokens hold for the question they were made for, in every service, through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.launch import PrivateServer

REGION = "us-east-1"
ACCOUNT = "470000000001"
TRUST = '{"Version": "2012-10-17", "Statement": []}'
ENDPOINT_CONFIG = {
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
    "VariantName": "v",
    "ModelName": "m",
}


def client(server: PrivateServer, service: str, account: str = ACCOUNT) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )


def names(count: int = 4) -> list[str]:
    return [f"item-{number}" for number in range(count)]


def make_alarms(cloudwatch: Any) -> None:
    for name in names():
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule="FALSE")


def make_log_groups(logs: Any) -> None:
    for name in names():
        logs.create_log_group(logGroupName=name)


def make_models(sagemaker: Any) -> None:
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
    for name in names():
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": image},
            ExecutionRoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
        )


def make_users(iam: Any) -> None:
    for name in names():
        iam.create_user(UserName=name, Path="/team/")


def make_repositories(ecr: Any) -> None:
    for name in names():
        ecr.create_repository(repositoryName=name)


def make_queues(sqs: Any) -> None:
    for name in names():
        sqs.create_queue(QueueName=name)


def make_buckets(s3: Any) -> None:
    for name in names():
        s3.create_bucket(Bucket=f"{name}-{ACCOUNT}")


# Service, what makes items, operation, page size, tokens in and out, another filter, error code.
LISTS: list[tuple[str, Callable[[Any], None], str, str, str, str, dict[str, Any], str]] = [
    (
        *("sagemaker", make_models, "list_models", "MaxResults", "NextToken", "NextToken"),
        *({"NameContains": "item"}, "ValidationException"),
    ),
    (
        *("cloudwatch", make_alarms, "describe_alarms", "MaxRecords", "NextToken", "NextToken"),
        *({"AlarmNamePrefix": "item"}, "InvalidNextToken"),
    ),
    (
        *("logs", make_log_groups, "describe_log_groups", "limit", "nextToken", "nextToken"),
        *({"logGroupNamePrefix": "item"}, "InvalidParameterException"),
    ),
    (
        *("iam", make_users, "list_users", "MaxItems", "Marker", "Marker"),
        *({"PathPrefix": "/team/"}, "ValidationError"),
    ),
    (
        *("ecr", make_repositories, "describe_repositories", "maxResults", "nextToken"),
        *("nextToken", {"registryId": ACCOUNT}, "InvalidParameterException"),
    ),
    (
        *("sqs", make_queues, "list_queues", "MaxResults", "NextToken", "NextToken"),
        *({"QueueNamePrefix": "item"}, "InvalidParameterValue"),
    ),
    (
        *("s3", make_buckets, "list_buckets", "MaxBuckets", "ContinuationToken"),
        *("ContinuationToken", {"Prefix": "item"}, "InvalidArgument"),
    ),
]


@pytest.mark.parametrize("listed", LISTS, ids=[listed[0] for listed in LISTS])
def test_a_token_is_refused_with_another_filter(server: PrivateServer, listed: Any) -> None:
    service, make, operation, size, token_in, token_out, other, code = listed
    mine = client(server, service)
    make(mine)
    ask = getattr(mine, operation)
    fixed = {"AlarmTypes": ["CompositeAlarm"]} if service == "cloudwatch" else {}

    def refusal(call: Any, **request: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(**request)
        return str(caught.value.response["Error"]["Code"])

    first = ask(**fixed, **{size: 1})
    token = {token_in: first[token_out]}
    # The size of a page may change from one to the next.
    rest = ask(**fixed, **token, **{size: 3})
    shown = next(value for value in rest.values() if isinstance(value, list))
    assert len(shown) == 3
    assert refusal(ask, **fixed, **token, **other) == code
    stranger = client(server, service, "470000000002")
    assert refusal(getattr(stranger, operation), **fixed, **token) == code
    # With the filter from the beginning on the pages lead through all.
    pages = mine.get_paginator(operation).paginate(
        **fixed, **other, PaginationConfig={"PageSize": 1}
    )
    found = [value for page in pages for value in page.values() if isinstance(value, list)]
    assert len([item for items in found for item in items]) == 4


def test_a_token_is_refused_by_another_operation(server: PrivateServer) -> None:
    sagemaker = client(server, "sagemaker", "470000000003")
    make_models(sagemaker)
    for name in names(2):
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[ENDPOINT_CONFIG | {"ModelName": name}]
        )
    token = sagemaker.list_models(MaxResults=1)["NextToken"]
    with pytest.raises(ClientError, match=r"ValidationException.*pagination token is invalid"):
        sagemaker.list_endpoint_configs(NextToken=token)
    assert len(sagemaker.list_models(NextToken=token)["Models"]) == 3
