"""Unmodified boto3 clients against the wire layer, without a socket."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.base.errors import ApiError
from sagebrush.wire import (
    Request,
    parse_request,
    route,
    serialise_error,
    serialise_response,
    unsupported,
)


class Server:
    """Answers a client's requests with `answer` (a dict or an `ApiError`) and keeps what came."""

    def __init__(self, answer: Any = None) -> None:
        self.answer: Any = {} if answer is None else answer
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def client(self, service: str, endpoint: str | None = "http://localhost:4566", **config: Any):
        client = boto3.client(
            service,
            "us-west-2",
            endpoint_url=endpoint,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
            config=Config(**config),
        )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        headers.setdefault("host", url.netloc)
        body = request.body or b""
        body = body if isinstance(body, bytes | str) else body.read()
        body = body.encode() if isinstance(body, str) else body
        seen = Request(request.method, url.path or "/", url.query, headers, body)
        found = route(seen)
        self.calls.append((found.service, found.operation, parse_request(found, seen)))
        if isinstance(self.answer, ApiError):
            response = serialise_error(found, self.answer, "request-1")
        else:
            response = serialise_response(found, self.answer, "request-1")
        return AWSResponse(request.url, response.status, response.headers, _Raw(response.body))


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any):
        yield self._content

    def read(self, *_: Any) -> bytes:
        content, self._content = self._content, b""
        return content


@pytest.mark.parametrize(
    ("endpoint", "config"),
    [
        ("http://localhost:4566", {"s3": {"addressing_style": "path"}}),
        ("http://localhost:4566", {"s3": {"addressing_style": "virtual"}}),
        ("http://s3.localhost:4566", {"s3": {"addressing_style": "virtual"}}),
        ("http://127.0.0.1:4566", {}),
        (None, {}),
        (None, {"s3": {"addressing_style": "path"}}),
        (None, {"s3": {"use_dualstack_endpoint": True}}),
    ],
)
def test_s3_keys_and_buckets_are_found_in_every_addressing_style(endpoint, config):
    server = Server({"Contents": [{"Key": "a&b", "Size": 3, "LastModified": 1.0}]})
    client = server.client("s3", endpoint, **config)
    key = "dir//sub/ä b+c%2F&=?#.txt"
    client.put_object(Bucket="bucket-1", Key=key, Body=b"x", Metadata={"Note": "n"})
    client.head_object(Bucket="bucket-1", Key=key)
    listed = client.list_objects_v2(Bucket="bucket-1", Prefix="dir/")
    client.create_multipart_upload(Bucket="bucket-1", Key=key)
    client.upload_part_copy(
        Bucket="bucket-1", Key=key, PartNumber=1, UploadId="u", CopySource="other/key"
    )
    client.list_buckets()
    assert [call[1] for call in server.calls] == [
        "PutObject",
        "HeadObject",
        "ListObjectsV2",
        "CreateMultipartUpload",
        "UploadPartCopy",
        "ListBuckets",
    ]
    for _, name, parameters in server.calls[:-1]:
        assert parameters["Bucket"] == "bucket-1"
        assert parameters.get("Key", key) == key, name
    assert server.calls[0][2]["Metadata"] == {"note": "n"}
    assert listed["Contents"][0]["Key"] == "a&b"


@pytest.mark.parametrize(
    ("config", "region"), [({"signature_version": "s3v4"}, "us-west-2"), ({}, None)]
)
def test_presigned_urls_are_routed_like_signed_requests(config, region):
    """By default boto3 presigns with version 2, which has no region."""
    client = Server().client("s3", **config)
    url = urlsplit(client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}))
    found = route(Request("GET", url.path, url.query, {"host": url.netloc}))
    assert (found.service, found.operation) == ("s3", "GetObject")
    assert (found.access_key, found.region) == ("AKIDEXAMPLE", region)


def test_families_that_sign_alike_are_told_apart():
    server = Server()
    server.client("sagemaker").list_models()
    server.client("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"1")
    server.client("sagemaker-metrics").batch_put_metrics(
        TrialComponentName="t",
        MetricData=[{"MetricName": "m", "Timestamp": 1, "Value": 0.5}],
    )
    server.client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName="f", RecordIdentifierValueAsString="1"
    )
    assert [call[0] for call in server.calls] == [
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-metrics",
        "sagemaker-featurestore-runtime",
    ]


@pytest.mark.parametrize(
    ("service", "call", "parameters", "code"),
    [
        ("s3", "get_object", {"Bucket": "bbb", "Key": "k"}, "NoSuchKey"),
        ("iam", "get_role", {"RoleName": "r"}, "NoSuchEntityException"),
        ("sqs", "get_queue_url", {"QueueName": "q"}, "QueueDoesNotExist"),
        ("logs", "describe_log_streams", {"logGroupName": "g"}, "ResourceNotFoundException"),
        ("lambda", "get_function", {"FunctionName": "f"}, "ResourceNotFoundException"),
        ("cloudwatch", "describe_alarms", {}, "InvalidNextToken"),
        ("sagemaker", "delete_model", {"ModelName": "m"}, "ResourceNotFound"),
    ],
)
def test_modelled_errors_become_the_clients_exception_classes(service, call, parameters, code):
    server = Server(ApiError(code, "It is not there"))
    client = server.client(service)
    with pytest.raises(getattr(client.exceptions, code, ClientError), match="It is not there"):
        getattr(client, call)(**parameters)
    assert len(server.calls) == 1


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("service", "call", "parameters"),
    [
        ("s3", "list_buckets", {}),
        ("s3", "head_bucket", {"Bucket": "bbb"}),
        ("iam", "list_users", {}),
        ("sagemaker", "list_models", {}),
        ("lambda", "list_functions", {}),
        ("cloudwatch", "list_metrics", {}),
        ("ec2", "describe_instances", {}),
    ],
)
def test_unsupported_operations_are_not_retried(mode, service, call, parameters):
    server = Server(unsupported(service, call))
    client = server.client(service, retries={"mode": mode, "max_attempts": 4})
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert len(server.calls) == 1
