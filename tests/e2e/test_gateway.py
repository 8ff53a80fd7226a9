"""The gateway as sockets see it: framing, TLS and proxy on one port, refusals, records."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.launch import PrivateServer

JSON_HEADERS = {
    "content-type": "application/x-amz-json-1.1",
    "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request,"
    " SignedHeaders=host, Signature=0",
}


@pytest.fixture(scope="module")
def offline() -> Iterator[PrivateServer]:
    with PrivateServer(options=("--offline",)) as server:
        yield server


def address(server: PrivateServer) -> tuple[str, int]:
    return "127.0.0.1", int(server.endpoint.rpartition(":")[2])


def exchange(server: PrivateServer, request: bytes, *, answers: int = 1) -> bytes:
    """Send bytes and read until that many whole answers, or the end of the connection."""
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.sendall(request)
        received = b""
        while received.count(b"HTTP/1.1 ") < answers or not received.endswith((b"}", b"\n", b">")):
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
        return received


def list_jobs(target: str = "SageMaker.ListTrainingJobs") -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in JSON_HEADERS.items())
    return (
        f"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: {target}\r\n{headers}"
        "content-length: 2\r\n\r\n{}"
    ).encode()


def client(server: PrivateServer, service: str, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "endpoint_url": server.endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
    }
    return boto3.client(service, **(settings | options))


def test_pipelined_requests_are_answered_in_order(server: PrivateServer) -> None:
    received = exchange(server, list_jobs() + list_jobs("SageMaker.ListModels"), answers=2)
    assert received.index(b"TrainingJobSummaries") < received.index(b'"Models"')


def test_a_request_arriving_byte_by_byte_is_answered(server: PrivateServer) -> None:
    with socket.create_connection(address(server), timeout=20) as connection:
        for position in range(len(request := list_jobs())):
            connection.sendall(request[position : position + 1])
        assert b"TrainingJobSummaries" in connection.recv(65536)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02 nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
    ids=["no-http", "version", "length", "headers"],
)
def test_what_is_not_http_is_refused(server: PrivateServer, request_bytes: bytes) -> None:
    assert exchange(server, request_bytes).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_a_body_cut_short_changes_nothing(server: PrivateServer) -> None:
    s3 = client(server, "s3")
    s3.create_bucket(Bucket="cut-short")
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.sendall(
            b"PUT /cut-short/key HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
            + b"x" * 500
        )
    assert "Contents" not in s3.list_objects_v2(Bucket="cut-short")


def test_expect_100_continue_is_honoured(server: PrivateServer) -> None:
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.sendall(
            b"PUT /expecting HTTP/1.1\r\nhost: x\r\n"
            b"expect: 100-continue\r\ncontent-length: 1\r\n\r\n"
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b" ")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_tls_and_http_share_the_port(server: PrivateServer) -> None:
    context = ssl.create_default_context(cafile=server.bundle)
    for name in ("localhost", "127.0.0.1", "sts.us-east-1.amazonaws.com", "b.s3.amazonaws.com"):
        with (
            socket.create_connection(address(server), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(list_jobs())
            assert b"TrainingJobSummaries" in secure.recv(65536)


def test_the_proxy_answers_for_aws_and_refuses_others_offline(offline: PrivateServer) -> None:
    connection = http.client.HTTPSConnection(
        *address(offline), context=ssl.create_default_context(cafile=offline.bundle), timeout=20
    )
    connection.set_tunnel("sagemaker.eu-west-1.amazonaws.com", 443)
    # http.client speaks TLS to the target only, so the tunnel itself is plain.
    plain = http.client.HTTPConnection(*address(offline), timeout=20)
    plain.set_tunnel("pypi.example.org", 443)
    with pytest.raises(OSError, match="403"):
        plain.request("GET", "/")
    connection.request(
        "POST", "/", b"{}", JSON_HEADERS | {"x-amz-target": "SageMaker.ListEndpoints"}
    )
    assert json.load(connection.getresponse()) == {"Endpoints": []}


def test_the_proxy_tunnels_to_other_hosts(server: PrivateServer, offline: PrivateServer) -> None:
    through = http.client.HTTPConnection(*address(server), timeout=20)
    through.set_tunnel(*address(offline))
    through.request("GET", "/_sagebrush/health")
    assert json.load(through.getresponse())["status"] == "running"


def test_the_telemetry_of_the_sdk_is_answered(server: PrivateServer) -> None:
    connection = http.client.HTTPConnection(*address(server), timeout=20)
    host = "sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com"
    connection.request("GET", "/telemetry?x-accountId=1", headers={"host": host})
    assert connection.getresponse().status == 200


def test_unsupported_operations_name_themselves_and_are_not_retried(server: PrivateServer) -> None:
    sagemaker = client(server, "sagemaker", config=Config(retries={"total_max_attempts": 5}))
    attempts: list[object] = []
    sagemaker.meta.events.register(
        "before-send.sagemaker.*", lambda **k: attempts.append(k) or None
    )
    with pytest.raises(ClientError, match=r"CreateHub .*sagemaker") as refused:
        sagemaker.create_hub(HubName="a", HubDescription="b")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    assert len(attempts) == 1


def test_health_lists_what_the_code_has(server: PrivateServer) -> None:
    with urllib.request.urlopen(f"{server.endpoint}/_sagebrush/health", timeout=20) as answer:
        services = json.load(answer)["services"]
    assert {"s3", "sts", "iam", "logs", "cloudwatch", "kms", "ecr"} <= set(services)
    assert "CreateTrainingJob" in services["sagemaker"]
    assert services["sagemaker-runtime"] == [
        "InvokeEndpoint",
        "InvokeEndpointAsync",
        "InvokeEndpointWithResponseStream",
    ]


def test_accounts_and_regions_are_apart(server: PrivateServer) -> None:
    here = client(server, "logs")
    here.create_log_group(logGroupName="apart")
    elsewhere = client(server, "logs", region_name="eu-west-1")
    other = client(server, "logs", aws_access_key_id="123456789012")
    assert here.describe_log_groups(logGroupNamePrefix="apart")["logGroups"]
    assert not elsewhere.describe_log_groups(logGroupNamePrefix="apart")["logGroups"]
    assert not other.describe_log_groups(logGroupNamePrefix="apart")["logGroups"]
    identity = client(server, "sts", aws_access_key_id="123456789012").get_caller_identity()
    assert identity["Account"] == "123456789012"


def test_requests_are_recorded_without_secrets(tmp_path: Path) -> None:
    with PrivateServer(tmp_path) as server:
        kms = client(server, "kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=key, Plaintext=b"the secret text")
        with pytest.raises(ClientError):
            client(server, "sagemaker").describe_model(ModelName="missing")
        client(server, "s3").list_buckets()
    (file,) = (tmp_path / "trail").iterdir()
    text = file.read_text()
    assert "the secret text" not in text
    assert "dGhlIHNlY3JldCB0ZXh0" not in text
    events = {event["eventName"]: event for event in map(json.loads, text.splitlines())}
    assert events["Encrypt"]["requestParameters"]["keyId"] == key
    assert events["Encrypt"]["eventSource"] == "kms.amazonaws.com"
    assert events["DescribeModel"]["errorCode"] == "ValidationException"
    assert events["DescribeModel"]["readOnly"]
    assert not events["CreateKey"]["readOnly"]
    assert events["CreateKey"]["userIdentity"]["type"] == "AssumedRole"


def test_signatures_and_policies_when_they_are_checked(tmp_path: Path) -> None:
    with PrivateServer(tmp_path, options=("--verify-signatures",)) as server:
        with pytest.raises(ClientError, match="security token") as refused:
            client(server, "sagemaker").list_models()
        assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"
        root = dict(
            line.split(" = ")
            for line in (tmp_path / "root-credentials").read_text().splitlines()
            if " = " in line
        )
        iam = client(server, "iam", **root)
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        mine = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        assert client(server, "sts", **mine).get_caller_identity()["Arn"].endswith(":user/reader")
        with pytest.raises(ClientError, match="not authorized to perform: sagemaker:ListModels"):
            client(server, "sagemaker", **mine).list_models()
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["sagemaker:List*", "s3:*"], "Resource": "*"}
            ],
        }
        iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(document))
        assert client(server, "sagemaker", **mine).list_models()["Models"] == []
        s3 = client(server, "s3", **mine)
        s3.create_bucket(Bucket="signed")
        s3.put_object(Bucket="signed", Key="k", Body=b"x" * 1000)
        assert s3.get_object(Bucket="signed", Key="k")["Body"].read() == b"x" * 1000
        url = s3.generate_presigned_url("get_object", {"Bucket": "signed", "Key": "k"})
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.read() == b"x" * 1000
        forged = mine | {"aws_secret_access_key": "wrong"}
        with pytest.raises(ClientError) as refused:
            client(server, "s3", **forged).list_buckets()
        assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_client_that_reads_slowly_holds_nobody_up(server: PrivateServer) -> None:
    s3 = client(server, "s3")
    s3.create_bucket(Bucket="slow")
    s3.put_object(Bucket="slow", Key="big", Body=b"z" * (8 << 20))
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /slow/big HTTP/1.1\r\nhost: x\r\n\r\n")
        started = time.monotonic()
        assert s3.list_buckets()["Buckets"]
        assert time.monotonic() - started < 10
        received = 0
        while received < 8 << 20:
            received += len(connection.recv(1 << 20))
            time.sleep(0.001)


def test_state_survives_a_restart(tmp_path: Path) -> None:
    with PrivateServer(tmp_path) as server:
        client(server, "s3").create_bucket(Bucket="kept")
    with PrivateServer(tmp_path) as server:
        assert [bucket["Name"] for bucket in client(server, "s3").list_buckets()["Buckets"]] == [
            "kept"
        ]
    with sqlite3.connect(tmp_path / "state.sqlite") as state:
        assert state.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_http_1_0_clients_see_the_connection_end(server: PrivateServer) -> None:
    received = exchange(server, b"GET /_sagebrush/health HTTP/1.0\r\n\r\n", answers=9)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in received


def test_a_body_that_ends_early_is_refused_at_once(server: PrivateServer) -> None:
    client(server, "s3").create_bucket(Bucket="half-closed")
    with socket.create_connection(address(server), timeout=20) as connection:
        connection.sendall(
            b"PUT /half-closed/key HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
            + b"x" * 300_000
        )
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_url_longer_than_any_client_makes_is_refused(server: PrivateServer) -> None:
    request = b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"
    assert exchange(server, request, answers=9).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("size_bytes", [100_000, 1_000_000], ids=["read", "sent-by-kernel"])
def test_a_stored_file_that_is_gone_is_the_servers_failure(
    server: PrivateServer, size_bytes: int
) -> None:
    bucket = f"gone-{size_bytes}"
    s3 = client(server, "s3", config=Config(retries={"max_attempts": 1}))
    s3.create_bucket(Bucket=bucket)
    before = stored_files(server)
    s3.put_object(Bucket=bucket, Key="key", Body=b"x" * size_bytes)
    for path in stored_files(server) - before:
        path.unlink()
    received = exchange(server, b"GET /%b/key HTTP/1.1\r\nhost: x\r\n\r\n" % bucket.encode())
    assert received.startswith(b"HTTP/1.1 500 ")


def stored_files(server: PrivateServer) -> set[Path]:
    return {path for path in (server.data / "objects").rglob("*") if path.is_file()}


def test_verbose_logs_every_request_and_no_secret() -> None:
    with PrivateServer(options=("--verbose",)) as server:
        s3 = client(server, "s3", config=Config(signature_version="s3v4"))
        s3.create_bucket(Bucket="logged")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "logged", "Key": "none"})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(url)
        exchange(server, list_jobs("SageMaker.Fly"))
        log = (server.data / "server.log").read_text()
    assert "s3.CreateBucket /logged: 200" in log
    assert "s3.GetObject /logged/none: 404 NoSuchKey" in log
    assert "UnknownOperationException" in log
    assert "Signature" not in log
