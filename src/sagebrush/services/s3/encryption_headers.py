"""Server-side encryption members: checked and answered; the bytes are stored as they came.

With a customer's key (SSE-C) the key's MD5 is kept and the same key demanded on every reading.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any

from sagebrush.engines.objects import BucketRecord
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault, invalid_argument
from sagebrush.services.s3.settings import read_setting

ANSWERED = (
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "SSECustomerAlgorithm",
    "SSECustomerKeyMD5",
)
_ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")


def encryption_attributes(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the encryption attributes of a new object: the request's, else the bucket's default.

    Raises:
        ApiError: InvalidArgument or InvalidRequest for headers that contradict each other.
    """
    customer = customer_key(request)
    algorithm = request.get("ServerSideEncryption")
    if customer and algorithm:
        raise invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the"
            " encryption method specified",
            "x-amz-server-side-encryption",
            algorithm,
        )
    if customer:
        return customer
    if algorithm is None:
        if request.get("SSEKMSKeyId"):
            raise invalid_argument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header"
                " x-amz-server-side-encryption : aws:kms",
                "x-amz-server-side-encryption",
                "",
            )
        return _default(context, bucket)
    if algorithm not in _ALGORITHMS:
        raise fault("InvalidEncryptionAlgorithmError", ArgumentValue=algorithm)
    if algorithm == "AES256" and request.get("SSEKMSKeyId"):
        raise invalid_argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header"
            " x-amz-server-side-encryption : aws:kms",
            "x-amz-server-side-encryption",
            algorithm,
        )
    return _managed(context, algorithm, request.get("SSEKMSKeyId"), request)


def customer_key(request: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the attributes of a customer's key (`prefix` is `CopySource` for a source's key).

    Raises:
        ApiError: InvalidArgument or InvalidRequest for an incomplete or wrong key.
    """
    algorithm = request.get(f"{prefix}SSECustomerAlgorithm")
    key = request.get(f"{prefix}SSECustomerKey")
    digest = request.get(f"{prefix}SSECustomerKeyMD5")
    if algorithm is None and key is None and digest is None:
        return {}
    if algorithm is None:
        raise _incomplete("a valid encryption algorithm")
    if algorithm != "AES256":
        raise fault("InvalidEncryptionAlgorithmError", ArgumentValue=algorithm)
    if key is None:
        raise _incomplete("an appropriate secret key")
    if digest is None:
        raise _incomplete("the MD5 of the secret key")
    if b64encode(hashlib.md5(_key_bytes(key), usedforsecurity=False).digest()).decode() != digest:
        raise invalid_argument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            "x-amz-server-side-encryption-customer-key-MD5",
            digest,
        )
    return {"SSECustomerAlgorithm": algorithm, "SSECustomerKeyMD5": digest}


def check_readable(request: dict[str, Any], attributes: dict[str, Any], prefix: str = "") -> None:
    """Return if the request carries the key the object was written with, where it needs one.

    Raises:
        ApiError: InvalidRequest without the key or with a needless one, AccessDenied for another.
    """
    given = customer_key(request, prefix)
    wanted = attributes.get("SSECustomerKeyMD5")
    if wanted is None and given:
        raise fault(
            "InvalidRequest",
            "The encryption parameters are not applicable to this object.",
        )
    if wanted is not None and not given:
        raise fault(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters"
            " must be provided to retrieve the object.",
        )
    if wanted is not None and given["SSECustomerKeyMD5"] != wanted:
        raise fault("AccessDenied")


def check_upload_key(request: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Return if a part comes with the key that its upload was begun with.

    Raises:
        ApiError: InvalidRequest, InvalidArgument.
    """
    given = customer_key(request)
    if given.get("SSECustomerKeyMD5") != attributes.get("SSECustomerKeyMD5"):
        raise fault(
            "InvalidRequest",
            "The provided encryption parameters did not match the ones used originally.",
        )


def encryption_members(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the encryption members of an answer about an object."""
    return {name: attributes[name] for name in ANSWERED if name in attributes}


def _default(context: Context, bucket: BucketRecord) -> dict[str, Any]:
    configuration = read_setting(context.db, bucket.id, "encryption")
    if configuration is None:
        return {}
    rule = configuration["Rules"][0]
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    algorithm = default.get("SSEAlgorithm", "AES256")
    return _managed(context, algorithm, default.get("KMSMasterKeyID"), rule)


def _managed(
    context: Context, algorithm: str, key_id: str | None, source: dict[str, Any]
) -> dict[str, Any]:
    attributes: dict[str, Any] = {"ServerSideEncryption": algorithm}
    if algorithm != "AES256":
        attributes["SSEKMSKeyId"] = key_id or context.arn("kms", "alias/aws/s3")
        if source.get("BucketKeyEnabled"):
            attributes["BucketKeyEnabled"] = True
    return attributes


def _key_bytes(key: str) -> bytes:
    try:
        decoded = b64decode(key, validate=True)
    except Base64Error:
        decoded = b""
    if len(decoded) != 32:
        raise invalid_argument(
            "The secret key was invalid for the specified algorithm.",
            "x-amz-server-side-encryption-customer-key",
            "",
        )
    return decoded


def _incomplete(what: str) -> Exception:
    return invalid_argument(
        "Requests specifying Server Side Encryption with Customer provided keys must provide"
        f" {what}.",
        "x-amz-server-side-encryption",
        "null",
    )
