"""Signatures against botocore's signers, and chunk signatures against AWS's documented example."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlsplit

import pytest
from botocore.auth import (
    HmacV1Auth,
    S3SigV4Auth,
    S3SigV4PostAuth,
    S3SigV4QueryAuth,
    SigV4Auth,
    SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.wire import Request
from sagebrush.wire.chunked import ChunkedDecoder, ChunkedError
from sagebrush.wire.sigv4 import (
    ChunkVerifier,
    SignatureError,
    is_signed,
    verify,
    verify_post_policy,
)
from sagebrush.wire.timestamps import parse_iso8601

KEY, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "tok/en=="


def _secret_of(access_key: str, token: str | None) -> str | None:
    del token
    return SECRET if access_key == KEY else None


def _signed(
    signer: type, url: str, service: str, *, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[Request, float]:
    """Let botocore sign a request; return it as a server sees it, and when it was signed."""
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    signer(Credentials(KEY, SECRET, TOKEN), service, "eu-central-1").add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    seen = {
        name.lower(): value.decode() if isinstance(value, bytes) else value
        for name, value in prepared.headers.items()
    }
    seen.setdefault("host", parts.netloc)
    stamp = request.context.get("timestamp") or request.headers["X-Amz-Date"]
    moment = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:]}"
    return Request(method, parts.path or "/", parts.query, seen, body), parse_iso8601(moment)


PATHS = [
    "/",
    "/a/b",
    "/bucket/key%20with%2Fslash/%C3%A9+~",
    "/a//b/../c/",
    "/functions/arn%3Aaws%3Ax",
]
QUERIES = ["", "uploads", "b=2&a=1&a=0", "prefix=a%2Fb%20c&marker=%C3%A9", "empty="]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(("signer", "service"), [(SigV4Auth, "sagemaker"), (S3SigV4Auth, "s3")])
def test_header_signatures_of_botocore_hold_and_changed_requests_do_not(
    signer, service, path, query
):
    request, now = _signed(
        signer,
        f"http://localhost:4566{path}?{query}",
        service,
        method="PUT",
        body=b"content",
        **{"X-Amz-Meta-Note": "  two   spaces  "},
    )
    verified = verify(request, _secret_of, now)
    assert verified.claim.credential.access_key == KEY
    assert verified.claim.session_token == TOKEN
    for changed in (
        Request("GET", request.path, request.query, request.headers, request.body),
        Request("PUT", request.path + "x", request.query, request.headers, request.body),
        Request("PUT", request.path, request.query + "&x=1", request.headers, request.body),
        Request(
            "PUT", request.path, request.query, {**request.headers, "host": "other"}, request.body
        ),
    ):
        with pytest.raises(SignatureError) as caught:
            verify(changed, _secret_of, now)
        assert caught.value.kind == "mismatch"


def test_the_body_is_part_of_a_signature():
    request, now = _signed(SigV4Auth, "http://h/", "logs", method="POST", body=b"{}")
    request.body = b"{ }"
    with pytest.raises(SignatureError, match="does not match"):
        verify(request, _secret_of, now)


def test_the_hash_of_an_s3_body_is_left_to_its_reader():
    request, now = _signed(S3SigV4Auth, "https://h/b/k", "s3", method="PUT", body=b"content")
    stated = request.headers["x-amz-content-sha256"]
    assert verify(request, _secret_of, now).payload_sha256 == stated


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("signer", "service"), [(SigV4QueryAuth, "sts"), (S3SigV4QueryAuth, "s3")])
def test_presigned_requests_hold_until_they_expire(signer, service, path):
    request, now = _signed(signer, f"http://localhost{path}?Action=X&versionId=a%2Bb", service)
    assert is_signed(request)
    claim = verify(request, _secret_of, now + 3599).claim
    assert claim.is_presigned
    with pytest.raises(SignatureError) as caught:
        verify(request, _secret_of, now + 3601)
    assert caught.value.kind == "expired"
    request.query = request.query.replace("versionId=a", "versionId=b")
    with pytest.raises(SignatureError) as caught:
        verify(request, _secret_of, now)
    assert caught.value.kind == "mismatch"


@pytest.mark.parametrize(("service", "skew_s"), [("s3", 900), ("sagemaker", 300)])
def test_a_skewed_clock_is_refused(service, skew_s):
    request, now = _signed(S3SigV4Auth if service == "s3" else SigV4Auth, "http://h/", service)
    verify(request, _secret_of, now + skew_s)
    verify(request, _secret_of, now - skew_s)
    for moment, words in ((now + skew_s + 1, "expired: "), (now - skew_s - 1, "not yet current: ")):
        with pytest.raises(SignatureError) as caught:
            verify(request, _secret_of, moment)
        assert caught.value.kind == "skewed"
        words = "time is too large" if service == "s3" else f"Signature {words}"
        assert words in caught.value.message


def test_unknown_keys_and_missing_or_malformed_signatures_are_told_apart():
    request, now = _signed(SigV4Auth, "http://h/", "logs")
    authorization = request.headers["authorization"]
    for text, kind in (
        ("", "missing"),
        ("AWS4-HMAC-SHA256 Credential=a/b", "malformed"),
        (authorization.replace("Signature=", "Sig="), "malformed"),
        (authorization.replace("aws4_request", "aws5_request"), "malformed"),
        (authorization.replace(KEY, "AKIAOTHER"), "unknown_key"),
    ):
        request.headers["authorization"] = text
        with pytest.raises(SignatureError) as caught:
            verify(request, _secret_of, now)
        assert caught.value.kind == kind


def test_a_browser_form_is_signed_by_its_policy():
    request = AWSRequest(method="POST", url="http://localhost/bucket")
    request.context["s3-presign-post-fields"] = {"key": "k"}
    request.context["s3-presign-post-policy"] = {"expiration": "x", "conditions": []}
    S3SigV4PostAuth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    fields = request.context["s3-presign-post-fields"]
    assert verify_post_policy(fields, _secret_of).access_key == KEY
    policy = json.loads(base64.b64decode(fields["policy"]))
    policy["conditions"].append({"bucket": "other"})
    fields["policy"] = base64.b64encode(json.dumps(policy).encode()).decode()
    with pytest.raises(SignatureError, match="does not match"):
        verify_post_policy(fields, _secret_of)


# The example of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html.
_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
_CHUNKS = [
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
]


def _documented_request() -> Request:
    names = (
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
        "x-amz-decoded-content-length;x-amz-storage-class"
    )
    headers = {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,"
            f"SignedHeaders={names},Signature={_SEED}"
        ),
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
    }
    return Request("PUT", "/examplebucket/chunkObject.txt", "", headers)


def _documented_body() -> bytes:
    return b"".join(
        f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + b"\r\n"
        for size, signature in _CHUNKS
    )


def _decoder() -> ChunkedDecoder:
    now = parse_iso8601("2013-05-24T00:00:00Z")
    return ChunkedDecoder(ChunkVerifier(verify(_documented_request(), _secret_of, now)))


@pytest.mark.parametrize("portion", [1000, 65536, 100_000])
def test_the_documented_example_of_signed_chunks_decodes(portion):
    decoder, body = _decoder(), _documented_body()
    assert len(body) == 66824
    content = b"".join(
        piece
        for start in range(0, len(body), portion)
        for piece in decoder.feed(body[start : start + portion])
    )
    decoder.finish()
    assert content == b"a" * 66560


def test_a_changed_chunk_is_noticed():
    body = bytearray(_documented_body())
    body[500] = ord("b")
    decoder = _decoder()
    with pytest.raises(SignatureError):
        list(decoder.feed(bytes(body)))


def test_unsigned_chunks_are_refused_where_signed_ones_are_promised():
    with pytest.raises(ChunkedError, match="not signed"):
        list(_decoder().feed(b"3\r\nabc\r\n0\r\n\r\n"))


def test_version_2_signatures_are_not_taken_for_version_4():
    request = AWSRequest(method="GET", url="http://localhost/b/k")
    HmacV1Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    seen = Request("GET", "/b/k", "", {"authorization": request.headers["Authorization"]})
    assert not is_signed(seen)
