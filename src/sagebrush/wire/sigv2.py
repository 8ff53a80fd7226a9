"""Signature Version 2 of S3: what SDKs still make for presigned URLs and forms by default.

HMAC-SHA1 over method, three headers, the `x-amz-` headers and the resource; the date or the expiry
is part of it. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html.
"""

from __future__ import annotations

import binascii
import hmac
from urllib.parse import unquote

from sagebrush.wire.messages import Request
from sagebrush.wire.querystring import parse_query
from sagebrush.wire.sigv4 import SecretLookup, SignatureError
from sagebrush.wire.timestamps import parse_http_date

_SKEW_S = 900.0
# Parameters that select a sub-resource or change the response, and so are signed.
_SIGNED_PARAMETERS = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)


def is_signed(request: Request) -> bool:
    """Return whether the request carries a version 2 signature."""
    return (
        request.headers.get("authorization", "").startswith("AWS ")
        or "AWSAccessKeyId=" in request.query
    )


def verify(request: Request, path: str, secret_of: SecretLookup, now: float) -> str:
    """Return the access key whose signature the request carries; raises `SignatureError`.

    `path` is percent-encoded and begins with the bucket even where the request has it in the host.
    """
    query = {name: values[-1] for name, values in parse_query(request.query).items()}
    if "AWSAccessKeyId" in query:
        access_key, signature, date = _presigned(query, now)
    else:
        access_key, signature, date = _header(request, now)
    amz = {name: value for name, value in query.items() if name.lower().startswith("x-amz-")}
    amz |= {name: value for name, value in request.headers.items() if name.startswith("x-amz-")}
    secret = secret_of(access_key, amz.get("x-amz-security-token"))
    if secret is None:
        raise SignatureError("unknown_key", "The access key is not known")
    lines = [
        request.method,
        request.headers.get("content-md5") or query.get("content-md5", ""),
        request.headers.get("content-type") or query.get("content-type", ""),
        date,
        *(f"{name.lower()}:{value.strip()}" for name, value in sorted(amz.items())),
    ]
    # SDKs sign a bucket as its own host has it, with a slash behind, in whichever style they call.
    paths = (path, f"{path}/") if path.rfind("/") == 0 and len(path) > 1 else (path,)
    texts = ["\n".join([*lines, _resource(one, request.query)]) for one in paths]
    _check(texts, secret, signature)
    return access_key


def check_expiry(request: Request, now: float) -> None:
    """Return if a request is not a presigned URL whose time is over; no secret is needed.

    Raises:
        SignatureError: expired, malformed.
    """
    if "AWSAccessKeyId=" in request.query:
        query = {name: values[-1] for name, values in parse_query(request.query).items()}
        _presigned(query, now)


def verify_post_policy(fields: dict[str, str], secret_of: SecretLookup) -> str:
    """Return the access key that signed a browser upload's policy; raises `SignatureError`.

    `fields` are the form's fields with lower-case names.
    """
    for name in ("awsaccesskeyid", "policy", "signature"):
        if name not in fields:
            raise SignatureError("malformed", f"The form needs the field {name}")
    access_key = fields["awsaccesskeyid"]
    secret = secret_of(access_key, fields.get("x-amz-security-token"))
    if secret is None:
        raise SignatureError("unknown_key", "The access key is not known")
    _check([fields["policy"]], secret, fields["signature"])
    return access_key


def _check(texts: list[str], secret: str, signature: str) -> None:
    """Return if the signature is that of one of the texts; raises `SignatureError`."""
    given = signature.encode("utf-8", "surrogateescape")
    for text in texts:
        digest = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
        if hmac.compare_digest(binascii.b2a_base64(digest, newline=False), given):
            return
    raise SignatureError("mismatch", "The signature does not match the one calculated")


def _presigned(query: dict[str, str], now: float) -> tuple[str, str, str]:
    expires = query.get("Expires", "")
    if not expires.isascii() or not expires.isdigit() or "Signature" not in query:
        raise SignatureError("malformed", "The query needs Expires and Signature")
    if now > int(expires):
        raise SignatureError("expired", "Request has expired")
    return query["AWSAccessKeyId"], query["Signature"], expires


def _header(request: Request, now: float) -> tuple[str, str, str]:
    credential = request.headers.get("authorization", "").removeprefix("AWS ")
    access_key, colon, signature = credential.partition(":")
    if not colon:
        raise SignatureError("missing", "The request is not signed")
    stated = request.headers.get("x-amz-date") or request.headers.get("date", "")
    try:
        signed_at = parse_http_date(stated)
    except ValueError:
        raise SignatureError("malformed", "The request needs a valid Date header") from None
    if abs(now - signed_at) > _SKEW_S:
        raise SignatureError(
            "skewed", "The difference between the request time and the current time is too large."
        )
    # With x-amz-date, which is signed among its like, the place of the date stays empty.
    date = "" if "x-amz-date" in request.headers else stated
    return access_key, signature.strip(), date


def _resource(path: str, query: str) -> str:
    pairs = [pair.split("=", 1) for pair in query.split("&") if pair]
    signed = sorted(
        (pair[0], "".join(f"={unquote(value)}" for value in pair[1:]))
        for pair in pairs
        if pair[0] in _SIGNED_PARAMETERS
    )
    parameters = "&".join(name + value for name, value in signed)
    return f"{path}?{parameters}" if parameters else path
