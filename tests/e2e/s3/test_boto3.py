"""Unmodified boto3 against a running server: transfers, addressing, signed URLs, odd keys."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.client
import io
import itertools
import json
import os
import random
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.launch import PrivateServer

ACCOUNT = "111111111111"
MIB = 1024 * 1024
_numbers = itertools.count()


@pytest.fixture
def client(server: PrivateServer) -> Any:
    return make_client(server)


def make_client(server: PrivateServer, **config: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="any",
        config=Config(**config),
    )


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"test-bucket-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return name


def fetch(request: str | urllib.request.Request) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("size", [0, 100, 9 * MIB, 21 * MIB + 5])
def test_upload_and_download_file(client: Any, bucket: str, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(random.Random(size).randbytes(size))
    client.upload_file(str(source), bucket, "a/file")
    client.download_file(bucket, "a/file", str(target))
    assert target.read_bytes() == source.read_bytes()
    head = client.head_object(Bucket=bucket, Key="a/file", ChecksumMode="ENABLED")
    assert head["ContentLength"] == size
    assert head["ChecksumCRC32"]


def test_body_of_unknown_length_and_stream_back(client: Any, bucket: str) -> None:
    data = random.Random(7).randbytes(3 * MIB)
    client.upload_fileobj(
        io.BytesIO(data), bucket, "key", Config=TransferConfig(multipart_threshold=10 * MIB)
    )
    body = client.get_object(Bucket=bucket, Key="key")["Body"]
    assert b"".join(body.iter_chunks(65_536)) == data
    part = client.get_object(Bucket=bucket, Key="key", Range="bytes=1000000-1000099")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert part["ContentRange"] == f"bytes 1000000-1000099/{len(data)}"
    assert part["Body"].read() == data[1_000_000:1_000_100]


CONTROL = "control\x01\x1f\x7f"
KEYS = [
    "plain",
    "with space+plus&amp;=?#%25",
    "a//b/../c/./",
    "/leading",
    "ünïcödé/\U0001f600",
    CONTROL,
    "new\nline\ttab",
    "*'()!~-_.",
    "<xml>\"&'",
]


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_any_legal_key(server: PrivateServer, client: Any, bucket: str, style: str) -> None:
    addressed = make_client(server, s3={"addressing_style": style})
    for key in KEYS:
        addressed.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        assert addressed.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = addressed.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in listed] == sorted(KEYS, key=str.encode)
    copied = addressed.copy_object(
        Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": KEYS[1]}
    )
    assert copied["CopyObjectResult"]["ETag"]
    # XML 1.0 cannot hold the control characters that botocore would put into the list.
    addressed.delete_object(Bucket=bucket, Key=CONTROL)
    others = [key for key in KEYS if key != CONTROL]
    targets = [{"Key": key} for key in others]
    answer = addressed.delete_objects(Bucket=bucket, Delete={"Objects": targets})
    assert sorted(item["Key"] for item in answer["Deleted"]) == sorted(others)


def test_virtual_host_of_aws(server: PrivateServer, client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="a/key", Body=b"data")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/key"})
    query = urllib.parse.urlsplit(url).query
    for host in (f"{bucket}.s3.us-east-1.amazonaws.com", f"{bucket}.s3.amazonaws.com"):
        request = urllib.request.Request(f"{server.endpoint}/a/key?{query}", headers={"Host": host})
        assert fetch(request) == (200, b"data")


def test_presigned_get_and_put(client: Any, bucket: str) -> None:
    put = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    assert fetch(urllib.request.Request(put, data=b"signed", method="PUT"))[0] == 200
    get = client.generate_presigned_url(
        "get_object",
        Params={"Bucket": bucket, "Key": "k", "ResponseContentType": "text/x-test"},
    )
    assert fetch(get) == (200, b"signed")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_url_expires(server: PrivateServer, bucket: str, version: str) -> None:
    signing = make_client(server, signature_version=version)
    url = signing.generate_presigned_url(
        "list_objects_v2", Params={"Bucket": bucket}, ExpiresIn=1000
    )
    assert fetch(url)[0] == 200
    if version == "s3":
        expired = re.sub(r"Expires=\d+", "Expires=1577836800", url)
    else:
        expired = re.sub(r"(?<!\d)20\d{6}(?=T\d{6}Z|%2F)", "20200101", url)
    assert expired != url
    status, answer = fetch(expired)
    assert (status, b"Request has expired" in answer) == (403, True)


def test_presigned_post(server: PrivateServer, client: Any, bucket: str) -> None:
    post = client.generate_presigned_post(
        bucket, "up/${filename}", Conditions=[["content-length-range", 1, 10]]
    )
    boundary = "boundary7"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in post["fields"].items()
    ]
    for content, status in (("12345", 204), ("12345678901", 400)):
        parts_now = [
            *parts,
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
                f'filename="f"\r\n\r\n{content}\r\n--{boundary}--\r\n'
            ),
        ]
        request = urllib.request.Request(
            post["url"],
            data="".join(parts_now).encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        assert fetch(request)[0] == status
    assert client.get_object(Bucket=bucket, Key="up/f")["Body"].read() == b"12345"


def test_errors_as_botocore_reads_them(client: Any, bucket: str) -> None:
    def error_of(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
        with pytest.raises(ClientError) as caught:
            call(Bucket=bucket, **parameters)
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]

    etag = client.put_object(Bucket=bucket, Key="key", Body=b"data")["ETag"]
    assert error_of(client.get_object, Key="none") == ("NoSuchKey", 404)
    assert error_of(client.head_object, Key="none") == ("404", 404)
    assert error_of(client.get_object, Key="key", IfNoneMatch=etag) == ("304", 304)
    assert error_of(client.get_object, Key="key", IfMatch="x") == ("PreconditionFailed", 412)
    assert error_of(client.get_object, Key="key", Range="bytes=9-") == ("InvalidRange", 416)
    assert error_of(client.head_object, Key="key", ExpectedBucketOwner="222222222222")[1] == 403
    assert error_of(client.delete_bucket) == ("BucketNotEmpty", 409)
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=bucket, Key="none")


def test_checksum_values_sent_by_hand(client: Any, bucket: str) -> None:
    sha = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    answer = client.put_object(Bucket=bucket, Key="key", Body=b"data", ChecksumSHA256=sha)
    assert answer["ChecksumSHA256"] == sha
    with pytest.raises(ClientError, match="BadDigest"):
        client.put_object(Bucket=bucket, Key="other", Body=b"other", ChecksumSHA256=sha)
    client.put_object(
        Bucket=bucket,
        Key="md5",
        Body=b"data",
        ContentMD5=base64.b64encode(hashlib.md5(b"data").digest()).decode(),
    )


def test_settings_travel_as_xml(client: Any, bucket: str) -> None:
    rules = [
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "tmp/", "Tags": [{"Key": "a", "Value": "b"}]}},
            "Expiration": {"Days": 3},
            "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}],
        }
    ]
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": rules}
    )
    assert client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    notification = {
        "LambdaFunctionConfigurations": [
            {
                "Id": "n",
                "LambdaFunctionArn": "arn:aws:lambda:us-east-1:111111111111:function:f",
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}]}},
            }
        ]
    }
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=notification
    )
    got = client.get_bucket_notification_configuration(Bucket=bucket)
    assert got["LambdaFunctionConfigurations"] == notification["LambdaFunctionConfigurations"]
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    assert json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]) == document


def test_retention_date_survives_the_wire(client: Any) -> None:
    client.create_bucket(Bucket="locked-e2e", ObjectLockEnabledForBucket=True)
    until = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    client.put_object(
        Bucket="locked-e2e",
        Key="key",
        Body=b"x",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=until,
    )
    retention = client.get_object_retention(Bucket="locked-e2e", Key="key")["Retention"]
    assert retention == {"Mode": "GOVERNANCE", "RetainUntilDate": until}


def test_paginators_and_waiters(client: Any, bucket: str) -> None:
    for number in range(7):
        client.put_object(Bucket=bucket, Key=f"p/{number}", Body=b"")
    client.get_waiter("object_exists").wait(Bucket=bucket, Key="p/6")
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="p/", PaginationConfig={"PageSize": 3}
    )
    assert [item["Key"] for page in pages for item in page["Contents"]] == [
        f"p/{number}" for number in range(7)
    ]
    resource = boto3.resource(
        "s3",
        endpoint_url=client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="any",
    )
    resource.Bucket(bucket).objects.all().delete()
    assert list(resource.Bucket(bucket).objects.all()) == []


def test_broken_upload_is_never_visible(server: PrivateServer, client: Any, bucket: str) -> None:
    url = urllib.parse.urlsplit(
        client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "half"})
    )
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("content-length", str(3 * MIB))
    connection.endheaders(b"x" * (2 * MIB))
    connection.close()
    client.put_object(Bucket=bucket, Key="after", Body=b"")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["after"]


def test_continue_is_said_only_to_those_who_may_write(
    server: PrivateServer, client: Any, bucket: str
) -> None:
    def first_line(key: str) -> bytes:
        port = int(server.endpoint.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(
                f"PUT /{bucket}/{key} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n"
                "expect: 100-continue\r\n\r\n".encode()
            )
            line = connection.recv(4096).partition(b"\r\n")[0]
            if b" 100 " in line:
                connection.sendall(b"data")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            return line

    assert first_line("key") == b"HTTP/1.1 403 Forbidden"
    client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert first_line("key") == b"HTTP/1.1 100 Continue"
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"data"


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/statm").read_text("ascii")
    return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_large_bodies_pass_at_constant_memory(tmp_path: Path) -> None:
    class Repeating(io.RawIOBase):
        """200 MiB that exist nowhere."""

        left = 200 * MIB

        def __len__(self) -> int:
            return 200 * MIB

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            size = min(self.left, MIB if size < 0 else size)
            self.left -= size
            return b"x" * size

    with PrivateServer() as server:
        client = make_client(server, request_checksum_calculation="when_required")
        client.create_bucket(Bucket="large")
        client.put_object(Bucket="large", Key="warm", Body=b"x" * MIB)
        pid = server._process.pid if server._process else 0
        before = resident_bytes(pid)
        url = urllib.parse.urlsplit(
            client.generate_presigned_url("put_object", Params={"Bucket": "large", "Key": "k"})
        )
        connection = http.client.HTTPConnection(url.netloc, timeout=120)
        connection.request(
            "PUT",
            f"{url.path}?{url.query}",
            body=Repeating(),
            headers={"content-length": str(200 * MIB)},
        )
        assert connection.getresponse().status == 200
        size = 0
        for chunk in client.get_object(Bucket="large", Key="k")["Body"].iter_chunks(MIB):
            size += len(chunk)
        assert size == 200 * MIB
        assert resident_bytes(pid) - before < 40 * MIB
