"""Signatures where the server checks them: whose key it is, and the refusals of each service.

All of it is on real time, however the server's clock runs: clients sign by their own clocks.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator

from sagebrush.base.errors import ApiError
from sagebrush.base.streams import ByteStream
from sagebrush.services.platform import Platform
from sagebrush.wire import Request, Route, sigv2, sigv4
from sagebrush.wire.signature_faults import signature_fault
from sagebrush.wire.sigv4 import SignatureError, Verified, is_signed, verify

_HEX_DIGITS = 64


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
                sigv2.verify(request, routed.path, self._secret_of, time.time())
                return None
            if not is_signed(request):
                raise SignatureError("missing", "Request is missing Authentication Token")
            return verify(request, self._secret_of, time.time())
        except SignatureError as error:
            raise signature_fault(error, routed.service, routed.protocol) from None

    def check_expiry(self, routed: Route, request: Request) -> None:
        """Refuse a presigned URL whose time is over, whoever signed it."""
        try:
            now = time.time()
            sigv4.check_expiry(request, now)
            if routed.service == "s3":
                sigv2.check_expiry(request, now)
        except SignatureError as error:
            raise signature_fault(error, routed.service, routed.protocol) from None

    def _secret_of(self, access_key: str, token: str | None) -> str | None:
        credential = self._platform.identity.credential(access_key)
        if credential is None or not credential.active:
            return None
        if credential.expires is not None:
            if credential.expires <= time.time():
                raise SignatureError(
                    "expired_token", "The security token included in the request is expired"
                )
            if token != credential.token:
                return None
        return credential.secret


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
