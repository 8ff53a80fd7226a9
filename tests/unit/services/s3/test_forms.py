"""Browser uploads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity.records import Credential
from sagebrush.services.s3.form_data import read_form
from sagebrush.services.s3.form_policy import check_form_signature

from .conftest import ANONYMOUS, MAIN, S3, Stream

FUTURE, PAST = "2099-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def form(fields: dict[str, str], data: bytes, boundary: str = "XX") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n'
    parts.append(f"{head}Content-Type: text/csv\r\n\r\n".encode() + data)
    return b"".join(parts) + f"\r\n--{boundary}--\r\n".encode()


def signed(conditions: list[Any], expiration: str = FUTURE) -> dict[str, str]:
    document = json.dumps({"expiration": expiration, "conditions": conditions})
    policy = base64.b64encode(document.encode()).decode()
    return {"AWSAccessKeyId": MAIN, "signature": "any", "policy": policy}


def post(s3: S3, fields: dict[str, str], data: bytes = b"data", piece: int = 7) -> dict[str, Any]:
    return s3(
        "PostObject",
        account=ANONYMOUS,
        Bucket="bucket",
        ContentType="multipart/form-data; boundary=XX",
        Body=Stream(form(fields, data), piece=piece),
    )


CONDITIONS = [
    {"bucket": "bucket"},
    ["starts-with", "$key", "up/"],
    ["starts-with", "$Content-Type", ""],
]


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_signed_form(s3: S3, size: int) -> None:
    fields = {"key": "up/${filename}", "Content-Type": "text/tab", **signed(CONDITIONS)}
    answer = post(s3, fields, b"x" * size, piece=50_000)
    assert answer["StatusCode"] == 204
    assert s3.get("up/f.csv") == b"x" * size
    assert s3.head("up/f.csv")["ContentType"] == "text/tab"


def test_a_policy_need_not_speak_of_the_type_that_clients_give_the_file(s3: S3) -> None:
    silent = [{"bucket": "bucket"}, {"key": "up/a"}]
    assert post(s3, {"key": "up/a", **signed(silent)})["StatusCode"] == 204
    assert s3.head("up/a")["ContentType"] == "binary/octet-stream"


def test_answers(s3: S3) -> None:
    conditions = [*CONDITIONS, ["starts-with", "$success_action_status", ""]]
    answer = post(s3, {"key": "up/a", "success_action_status": "201", **signed(conditions)})
    assert answer["StatusCode"] == 201
    assert answer["PostResponse"]["Key"] == "up/a"
    conditions = [*CONDITIONS, ["starts-with", "$success_action_redirect", "http://here"]]
    answer = post(
        s3, {"key": "up/a", "success_action_redirect": "http://here/", **signed(conditions)}
    )
    assert answer["StatusCode"] == 303
    assert answer["Location"].startswith("http://here/?bucket=bucket&key=up%2Fa&etag=%22")


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("AccessDenied", {"key": "other", **signed(CONDITIONS)}),
        ("AccessDenied", {"key": "up/a", **signed(CONDITIONS, PAST)}),
        ("AccessDenied", {"key": "up/a", "acl": "private", **signed(CONDITIONS)}),
        ("AccessDenied", {"key": "up/a"}),
        ("InvalidArgument", signed(CONDITIONS)),
        ("InvalidPolicyDocument", {"key": "up/a", **signed(CONDITIONS, "tomorrow")}),
        ("InvalidPolicyDocument", {"key": "up/a", **signed([["near", "$key", "a"]])}),
        (
            "EntityTooLarge",
            {"key": "up/a", **signed([*CONDITIONS, ["content-length-range", 0, 3]])},
        ),
        (
            "EntityTooSmall",
            {"key": "up/a", **signed([*CONDITIONS, ["content-length-range", 5, 9]])},
        ),
    ],
)
def test_form_refused(s3: S3, code: str, fields: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        post(s3, fields)
    assert caught.value.code == code
    assert s3("ListObjectsV2", Bucket="bucket")["Contents"] == []


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60) | st.just(b"\r\n--X"), piece=st.integers(1, 30))
def test_file_content_is_found_however_it_is_cut(data: bytes, piece: int) -> None:
    import asyncio

    async def read() -> tuple[dict[str, str], bytes]:
        body = Stream(form({"key": "k", "empty": ""}, data), piece=piece)
        parsed = await read_form('multipart/form-data; boundary="XX"', body)
        return parsed.fields, b"".join([chunk async for chunk in parsed.file])

    if b"\r\n--XX" in data:
        return
    fields, content = asyncio.run(read())
    assert fields == {"key": "k", "empty": ""}
    assert content == data


def test_form_signatures() -> None:
    policy = base64.b64encode(b"{}").decode()
    fields = {"policy": policy, "awsaccesskeyid": "AKID"}
    digest = hmac.new(b"secret", policy.encode(), hashlib.sha1).digest()
    good = fields | {"signature": base64.b64encode(digest).decode()}
    held = Credential("secret", MAIN, active=True, token=None, expires=None)
    check_form_signature(good, lambda _: held, 1.0)
    with pytest.raises(ApiError, match="SignatureDoesNotMatch"):
        check_form_signature(fields | {"signature": "x"}, lambda _: held, 1.0)
    with pytest.raises(ApiError, match="InvalidAccessKeyId"):
        check_form_signature(good, lambda _: None, 1.0)
    passing = held._replace(token="t", expires=5.0)
    check_form_signature(good | {"x-amz-security-token": "t"}, lambda _: passing, 1.0)
    with pytest.raises(ApiError, match="ExpiredToken"):
        check_form_signature(good | {"x-amz-security-token": "t"}, lambda _: passing, 5.0)
