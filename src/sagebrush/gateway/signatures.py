"""Signatures where the server checks them: whose key it is, and the refusals of each service."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from sagebrush.base.errors import ApiError
from sagebrush.base.streams import ByteStream
from sagebrush.services.platform import Platform
from sagebrush.wire import Request, Route, sigv2, sigv4
from sagebrush.wire.sigv4 import SignatureError, Verified, is_signed, verify

_HEX_DIGITS = 64
# What each kind of refusal is called: by S3, by the query protocol's services, by the rest.
_REFUSALS: dict[str, tuple[tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    "missing": (
        ("AccessDenied", 403),
        ("MissingAuthenticationToken", 403),
        ("MissingAuthenticationTokenException", 403),
    ),
    "malformed": (
        ("AuthorizationHeaderMalformed", 400),
        ("IncompleteSignature", 400),
        ("IncompleteSignatureException", 400),
    ),
    "unknown_key": (
        ("InvalidAccessKeyId", 403),
        ("InvalidClientTokenId", 403),
        ("UnrecognizedClientException", 403),
    ),
    "expired_token": (
        ("ExpiredToken", 400),
        ("ExpiredToken", 403),
        ("ExpiredTokenException", 403),
    ),
    "skewed": (
        ("RequestTimeTooSkewed", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 403),
    ),
    "expired": (
        ("AccessDenied", 403),
        ("RequestExpired", 400),
        ("InvalidSignatureException", 403),
    ),
    "mismatch": (
        ("SignatureDoesNotMatch", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 403),
    ),
}
_MESSAGES = {
    "missing": "Request is missing Authentication Token",
    "unknown_key": "The security token included in the request is invalid.",
    "expired_token": "The security token included in the request is expired",
    "mismatch": (
        "The request signature we calculated does not match the signature you provided. Check"
        " your AWS Secret Access Key and signing method. Consult the service documentation for"
        " details."
    ),
    "skewed": "The difference between the request time and the current time is too large.",
    "expired": "Request has expired",
}


class Signatures:
    """Checks requests against the keys that IAM and STS gave out."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def check(self, routed: Route, request: Request) -> Verified | None:
        """Return what the signature vouches for; None for S3's version 2, which covers no body.

        Raises:
            ApiError: it is missing, wrong, skewed, expired, or of a key nobody issued.
        """
        try:
            if routed.service == "s3" and sigv2.is_signed(request):
                sigv2.verify(request, routed.path, self._secret_of, self._platform.clock.now())
                return None
            if not is_signed(request):
                raise SignatureError("missing", _MESSAGES["missing"])
            return verify(request, self._secret_of, self._platform.clock.now())
        except SignatureError as error:
            raise refusal(routed, error) from None

    def check_expiry(self, routed: Route, request: Request) -> None:
        """Refuse a presigned URL whose time is over, whoever signed it."""
        try:
            now = self._platform.clock.now()
            sigv4.check_expiry(request, now)
            if routed.service == "s3":
                sigv2.check_expiry(request, now)
        except SignatureError as error:
            raise refusal(routed, error) from None

    def _secret_of(self, access_key: str, token: str | None) -> str | None:
        credential = self._platform.identity.credential(access_key)
        if credential is None or not credential.active:
            return None
        if credential.expires is not None:
            if credential.expires <= self._platform.clock.now():
                raise SignatureError("expired_token", _MESSAGES["expired_token"])
            if token != credential.token:
                return None
        return credential.secret


def refusal(routed: Route, error: SignatureError) -> ApiError:
    """Return a signature's refusal in the service's own code."""
    s3, query, other = _REFUSALS[error.kind]
    if routed.service == "s3":
        code, status = s3
    elif routed.protocol in ("query", "ec2"):
        code, status = query
    else:
        code, status = other
    message = error.message if error.kind == "malformed" else _MESSAGES[error.kind]
    return ApiError(code, message, status=status)


class HashedBody:
    """A stream that must have the SHA-256 its sender signed."""

    def __init__(self, source: ByteStream, expected: str) -> None:
        self._source = source
        self._expected = expected
        self.length = source.length
        self.trailers = source.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        async for chunk in self._source:
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self._expected:
            raise ApiError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                status=400,
            )


def with_signed_hash(body: ByteStream, verified: Verified) -> ByteStream:
    """Return `body`, checked against the hash its signature covers if it covers one."""
    if len(verified.payload_sha256) == _HEX_DIGITS:
        return HashedBody(body, verified.payload_sha256)
    return body
