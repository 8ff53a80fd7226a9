"""The error each family of services answers to an unacceptable signature."""

from __future__ import annotations

from sagebrush.base.errors import ApiError
from sagebrush.wire.sigv4 import SignatureError

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your"
)
_S3 = {
    "missing": ("AccessDenied", 403, "Access Denied"),
    "malformed": ("AuthorizationHeaderMalformed", 400, None),
    "unknown_key": (
        "InvalidAccessKeyId",
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    "expired_token": ("ExpiredToken", 400, "The provided token has expired."),
    "skewed": ("RequestTimeTooSkewed", 403, None),
    "expired": ("AccessDenied", 403, "Request has expired"),
    "mismatch": ("SignatureDoesNotMatch", 403, f"{_MISMATCH} key and signing method."),
}
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_KEY_CHECK = f"{_MISMATCH} AWS Secret Access Key and signing method."
_QUERY = {
    "missing": ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    "malformed": ("IncompleteSignature", 400, None),
    "unknown_key": ("InvalidClientTokenId", 403, _INVALID),
    "expired_token": ("ExpiredToken", 403, _EXPIRED),
    "skewed": ("SignatureDoesNotMatch", 403, None),
    "expired": ("SignatureDoesNotMatch", 403, None),
    "mismatch": ("SignatureDoesNotMatch", 403, _KEY_CHECK),
}
_OTHERS = {
    "missing": ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    "malformed": ("IncompleteSignatureException", 400, None),
    "unknown_key": ("UnrecognizedClientException", 403, _INVALID),
    "expired_token": ("ExpiredTokenException", 403, _EXPIRED),
    "skewed": ("InvalidSignatureException", 403, None),
    "expired": ("InvalidSignatureException", 403, None),
    "mismatch": ("InvalidSignatureException", 403, _KEY_CHECK),
}


def signature_fault(error: SignatureError, service: str, protocol: str) -> ApiError:
    """Return the error the service (botocore folder name) answers in this protocol."""
    table = _QUERY if protocol in ("query", "ec2") else _OTHERS
    table = _S3 if service == "s3" else table
    code, status, message = table[error.kind]
    if table is _OTHERS and protocol == "json":
        # Services of this protocol answer 400 to everything that is the client's fault.
        status = 400
    return ApiError(code, message or error.message, status=status)
