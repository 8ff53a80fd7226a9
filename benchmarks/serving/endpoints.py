"""Sagebrush set up for a measurement: a private server with one endpoint, made with boto3."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3

from benchmarks.serving.load import http_request
from benchmarks.serving.models import Model
from benchmarks.serving.targets import Setting, Target
from sagebrush.launch import PrivateServer

# What boto3 sends with every request, so that the gateway parses as much as it does in use.
_HEADERS = {
    "accept-encoding": "identity",
    "content-type": "text/csv",
    "user-agent": "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64"
    " lang/python#3.11.7 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.40.0",
    "x-amz-date": "20260101T000000Z",
    "amz-sdk-invocation-id": "9be7a3e9-4c0e-4ed1-a0d0-6b8c7a3f8a4f",
    "amz-sdk-request": "attempt=1",
    "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request,"
    " SignedHeaders=content-type;host;x-amz-date, Signature=" + "0" * 64,
}
_HOST = "runtime.sagemaker.us-east-1.amazonaws.com"


@contextlib.contextmanager
def endpoint(setting: Setting, model: Model) -> Iterator[Target]:
    """Serve a model behind an endpoint; two workers are two instances."""
    with PrivateServer() as server:
        _create(_clients(server.endpoint), setting, model)
        yield _target(server, model)


def _clients(endpoint_url: str) -> tuple[Any, Any]:
    options: dict[str, Any] = {
        "endpoint_url": endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    return boto3.client("s3", **options), boto3.client("sagemaker", **options)


def _create(clients: tuple[Any, Any], setting: Setting, model: Model) -> None:
    s3, sagemaker = clients
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=model.archive)
    sagemaker.create_model(
        ModelName="bench",
        PrimaryContainer={"Image": model.image, "ModelDataUrl": "s3://models/model.tar.gz"},
        ExecutionRoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
    )
    instances = setting.workers // setting.variants
    variants = [
        {
            "VariantName": f"variant-{number}",
            "ModelName": "bench",
            # An instance has one process that predicts, like one worker of the peers.
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": instances,
            "InitialVariantWeight": 1.0,
        }
        for number in range(setting.variants)
    ]
    options: dict[str, Any] = {}
    if setting.capture:
        options["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://models/captured",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        }
    sagemaker.create_endpoint_config(
        EndpointConfigName="bench", ProductionVariants=variants, **options
    )
    sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
    while True:
        described = sagemaker.describe_endpoint(EndpointName="bench")
        if described["EndpointStatus"] == "InService":
            return
        if described["EndpointStatus"] != "Creating":
            raise RuntimeError(f"the endpoint failed: {described.get('FailureReason')}")
        time.sleep(0.05)


def _target(server: PrivateServer, model: Model) -> Target:
    request = http_request("POST", "/endpoints/bench/invocations", _HEADERS, model.csv, _HOST)
    direct = http_request("POST", "/invocations", {"content-type": "text/csv"}, model.csv, "model")
    # Of a server's processes the last one serves.
    sockets = server.data.glob("fleets/*/*/run/model.sock")
    socket = str(max(sockets, key=lambda path: int(path.parts[-3])))
    port = int(server.endpoint.rpartition(":")[2])
    pid = int(json.loads((server.data / "server.json").read_text())["pid"])
    return Target(pid, port, request, (socket, direct), pid)
