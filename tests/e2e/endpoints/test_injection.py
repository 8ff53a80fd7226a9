"""Faults that a user switches on, seen by real clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.e2e.hosting.steering import told

from sagebrush.launch import PrivateServer
from sagebrush.testing.plugin import Sagebrush

from .conftest import Hosting


@pytest.fixture
def sagebrush(server: PrivateServer) -> Iterator[Sagebrush]:
    """The plugin's handle; no fault stays."""
    yield Sagebrush(server)
    told(server, "faults", "clear")


@pytest.fixture(scope="module")
def endpoint(shared_hosting: Hosting) -> str:
    """An endpoint of one variant that tests may harm."""
    shared_hosting.model("harmed", shared_hosting.kmeans((3.0, 4.0)))
    shared_hosting.endpoint("harmed")
    return "harmed"


def test_a_model_error_is_the_clients_until_switched_off(
    sagebrush: Sagebrush, shared_hosting: Hosting, endpoint: str
) -> None:
    options = {"status": 422, "message": "no such species"}
    with sagebrush.fault("model-error", f"endpoint/{endpoint}", **options) as fault:
        with pytest.raises(ClientError) as caught:
            shared_hosting.invoke(endpoint)
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert caught.value.response["OriginalStatusCode"] == 422
        assert caught.value.response["OriginalMessage"] == "no such species"
        assert fault.struck == 1
    assert shared_hosting.distance(endpoint)[0] == 5.0


def test_a_model_crash_is_a_process_that_is_gone(
    sagebrush: Sagebrush, shared_hosting: Hosting, endpoint: str, server: PrivateServer
) -> None:
    log = server.data / "server.log"
    before = log.read_text().count("ended; starting it again")
    with sagebrush.fault("model-crash", f"endpoint/{endpoint}/variant-0") as fault:
        # The request that it struck is answered by the next process.
        assert shared_hosting.distance(endpoint)[0] == 5.0
        assert fault.struck == 1
    assert log.read_text().count("ended; starting it again") == before + 1
    with sagebrush.fault("model-crash", f"endpoint/{endpoint}", times=2):
        # A request that takes two processes along is given up.
        with pytest.raises(ClientError) as caught:
            shared_hosting.invoke(endpoint)
        assert caught.value.response["Error"]["Code"] == "ModelError"
    assert shared_hosting.distance(endpoint)[0] == 5.0


def test_a_slow_model_answers_late(
    sagebrush: Sagebrush, shared_hosting: Hosting, endpoint: str
) -> None:
    with sagebrush.fault("model-delay", "endpoint/*", delay_s=0.5, times=1) as fault:
        started = time.perf_counter()
        shared_hosting.invoke(endpoint)
        assert time.perf_counter() - started >= 0.5
        shared_hosting.invoke(endpoint)
        assert fault.struck == 1


def test_no_capacity_fails_a_new_endpoint_and_spares_an_old_one(
    sagebrush: Sagebrush, shared_hosting: Hosting, endpoint: str
) -> None:
    reason = (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity"
        " error. Please retry using a different ML instance type or after some time."
    )
    with sagebrush.fault("capacity", "endpoint/*", account=shared_hosting.account):
        shared_hosting.config("short", {"ModelName": "harmed"})
        shared_hosting.sagemaker.create_endpoint(EndpointName="short", EndpointConfigName="short")
        assert shared_hosting.settled("short", "Failed")["FailureReason"] == reason
        update = {"EndpointName": endpoint, "EndpointConfigName": "short"}
        shared_hosting.sagemaker.update_endpoint(**update)
        assert shared_hosting.settled(endpoint)["FailureReason"] == reason
        assert shared_hosting.distance(endpoint)[0] == 5.0
    shared_hosting.sagemaker.delete_endpoint(EndpointName="short")
    shared_hosting.gone("short")
    shared_hosting.sagemaker.create_endpoint(EndpointName="short", EndpointConfigName="short")
    shared_hosting.settled("short")


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sagemaker", "list_models", "ThrottlingException", 400),
        ("s3", "list_buckets", "SlowDown", 503),
        ("logs", "describe_log_groups", "ThrottlingException", 400),
        ("iam", "list_users", "Throttling", 400),
        ("sts", "get_caller_identity", "Throttling", 400),
        ("kms", "list_keys", "ThrottlingException", 400),
    ],
)
def test_throttling_has_each_services_code(
    sagebrush: Sagebrush, service: str, call: str, code: str, status: int
) -> None:
    client = sagebrush.client(service, config=Config(retries={"total_max_attempts": 1}))
    with sagebrush.fault("throttle", f"{service}:*"):
        with pytest.raises(ClientError) as caught:
            getattr(client, call)()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    getattr(client, call)()


def test_clients_that_try_again_get_through(sagebrush: Sagebrush) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})
    for kind in ("throttle", "error"):
        for service, call in (("sagemaker", "list_models"), ("s3", "list_buckets")):
            with sagebrush.fault(kind, f"{service}:*", times=1) as fault:
                answer = getattr(sagebrush.client(service, config=config), call)()
                assert answer["ResponseMetadata"]["RetryAttempts"] == 1
                assert fault.struck == 1


def test_an_error_of_ones_own(sagebrush: Sagebrush) -> None:
    client = sagebrush.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
    options = {"status": 503, "code": "ServiceUnavailable", "message": "later"}
    with sagebrush.fault("error", "sagemaker:CreateModel", **options):
        client.list_models()
        with pytest.raises(ClientError) as caught:
            client.create_model(ModelName="m", ExecutionRoleArn="arn:aws:iam::000000000000:role/r")
    error = caught.value.response
    assert error["Error"] == {"Code": "ServiceUnavailable", "Message": "later"}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_the_command_line_and_a_crash_of_the_server(tmp_path: Path) -> None:
    with PrivateServer(tmp_path) as own:
        assert told(own, "faults") == "no faults\n"
        added = told(own, "faults", "add", "throttle", "s3:List*", "--times", "3", "--for", "1h")
        identifier = added.split()[0]
        assert "throttle s3:List* until " in added
        assert "struck 0 of 3" in added
        assert "1 switched on" in told(own, "status")
        assert "needs a target" in told(own, "faults", "add", "throttle", "s3", code=1)
        assert "is called s3:Nope" in told(own, "faults", "add", "error", "s3:Nope", code=1)
        assert "KIND" in told(own, "faults", "add", "flood", "s3:*", code=2)
        config = Config(retries={"total_max_attempts": 1})

        def listing() -> Any:
            settings = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
            s3 = boto3.client("s3", endpoint_url=own.endpoint, config=config, **settings)
            return s3.list_buckets()

        with pytest.raises(ClientError):
            listing()
        assert own._process is not None
        own._process.kill()
        own._process.wait()
        own.start()
        assert "struck 1 of 3" in told(own, "faults", "list")
        with pytest.raises(ClientError):
            listing()
        told(own, "clock", "advance", "1h")
        listing()
        assert "struck 2 of 3, over" in told(own, "faults", "remove", identifier)
        assert "there is no fault" in told(own, "faults", "remove", identifier, code=1)
        assert told(own, "faults", "clear") == "no faults\n"
