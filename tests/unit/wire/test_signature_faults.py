"""Refused signatures in each family's own code (S3's error list, IAM's common errors)."""

from __future__ import annotations

import pytest

from sagebrush.wire.signature_faults import signature_fault
from sagebrush.wire.sigv4 import SignatureError


@pytest.mark.parametrize(
    ("service", "protocol", "kind", "code", "status"),
    [
        ("s3", "rest-xml", "missing", "AccessDenied", 403),
        ("s3", "rest-xml", "unknown_key", "InvalidAccessKeyId", 403),
        ("s3", "rest-xml", "skewed", "RequestTimeTooSkewed", 403),
        ("s3", "rest-xml", "mismatch", "SignatureDoesNotMatch", 403),
        ("s3", "rest-xml", "expired_token", "ExpiredToken", 400),
        ("iam", "query", "unknown_key", "InvalidClientTokenId", 403),
        ("sts", "query", "expired_token", "ExpiredToken", 403),
        ("sagemaker", "json", "unknown_key", "UnrecognizedClientException", 400),
        ("sagemaker", "json", "mismatch", "InvalidSignatureException", 400),
        ("sagemaker-runtime", "rest-json", "unknown_key", "UnrecognizedClientException", 403),
        ("sagemaker-runtime", "rest-json", "expired_token", "ExpiredTokenException", 403),
        ("lambda", "rest-json", "malformed", "IncompleteSignatureException", 400),
    ],
)
def test_codes(service, protocol, kind, code, status):
    error = signature_fault(SignatureError(kind, "because"), service, protocol)
    assert (error.code, error.status) == (code, status)
    assert error.message


def test_the_reason_is_told_where_aws_has_no_sentence_of_its_own():
    error = signature_fault(SignatureError("malformed", "because"), "s3", "rest-xml")
    assert error.message == "because"
