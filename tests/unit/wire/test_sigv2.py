"""Version 2 signatures of S3 against botocore's signers."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from botocore.auth import HmacV1Auth, HmacV1PostAuth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.wire import Request, sigv2
from sagebrush.wire.sigv4 import SignatureError

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI"
URL = "http://localhost/bucket/a%20b?versionId=x%2By&response-content-type=text%2Fplain&prefix=p"


def _secret_of(access_key: str, token: str | None) -> str | None:
    return SECRET if access_key == KEY and token in (None, "token") else None


def _signed(signer: type, token: str | None, method: str = "PUT") -> Request:
    headers = {"Content-Type": "text/plain", "X-Amz-Meta-B": "2", "X-Amz-Acl": "private"}
    request = AWSRequest(method=method, url=URL, headers=headers)
    signer(Credentials(KEY, SECRET, token)).add_auth(request)
    parts = urlsplit(request.url)
    seen = {name.lower(): value for name, value in request.headers.items()}
    if signer is HmacV1QueryAuth:
        seen = {"content-type": "text/plain"}  # the rest is in the query
    return Request(method, parts.path, parts.query, seen)


@pytest.mark.parametrize("token", [None, "token"])
@pytest.mark.parametrize("signer", [HmacV1Auth, HmacV1QueryAuth])
def test_signatures_of_botocore_hold_and_changed_requests_do_not(signer, token):
    request = _signed(signer, token)
    assert sigv2.is_signed(request)
    assert sigv2.verify(request, request.path, _secret_of, time.time()) == KEY
    changed = Request("GET", request.path, request.query, request.headers)
    for other, path in (
        (changed, request.path),
        (request, "/other/a%20b"),
        (
            Request("PUT", request.path, request.query + "&acl", request.headers),
            request.path,
        ),
    ):
        with pytest.raises(SignatureError) as caught:
            sigv2.verify(other, path, _secret_of, time.time())
        assert caught.value.kind == "mismatch"


@pytest.mark.parametrize(("signer", "kind"), [(HmacV1Auth, "skewed"), (HmacV1QueryAuth, "expired")])
def test_old_signatures_are_refused(signer, kind):
    request = _signed(signer, None)
    with pytest.raises(SignatureError) as caught:
        sigv2.verify(request, request.path, _secret_of, time.time() + 3700)
    assert caught.value.kind == kind


def test_a_browser_form_is_signed_by_its_policy():
    request = AWSRequest(method="POST", url="http://localhost/bucket")
    request.context["s3-presign-post-fields"] = {"key": "k"}
    request.context["s3-presign-post-policy"] = {"expiration": "x", "conditions": []}
    HmacV1PostAuth(Credentials(KEY, SECRET, "token")).add_auth(request)
    fields = {k.lower(): v for k, v in request.context["s3-presign-post-fields"].items()}
    assert sigv2.verify_post_policy(fields, _secret_of) == KEY
    with pytest.raises(SignatureError, match="does not match"):
        sigv2.verify_post_policy(fields | {"policy": fields["policy"] + "A"}, _secret_of)


@pytest.mark.parametrize("path", ["/bucket", "/bucket/"])
def test_a_bucket_is_signed_with_a_slash_behind_in_either_style(path: str) -> None:
    request = AWSRequest(method="GET", url="http://localhost/bucket?location")
    request.auth_path = path
    HmacV1Auth(Credentials(KEY, SECRET)).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    received = Request("GET", "/bucket", "location", headers)
    assert sigv2.verify(received, received.path, _secret_of, time.time()) == KEY
    with pytest.raises(SignatureError, match="does not match"):
        sigv2.verify(received, "/buckets", _secret_of, time.time())
