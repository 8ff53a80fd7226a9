"""Sign, Verify and GetPublicKey."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import asymmetric, keystore, material
from sagebrush.services.kms.specs import ALGORITHM_MEMBERS, SIGN
from sagebrush.services.platform import Context


def sign(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Sign a message of up to 4,096 bytes, or the digest of a longer one."""
    key = _signing_key(context, request)
    keystore.refuse_dry_run(request)
    signature = asymmetric.sign(
        keystore.secret_of(context, key).secret,
        request["SigningAlgorithm"],
        request["Message"],
        is_digest=_is_digest(request),
    )
    return {
        "KeyId": keystore.arn_of(context, key),
        "Signature": signature,
        "SigningAlgorithm": request["SigningAlgorithm"],
    }


def verify(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer that a signature is valid; one that is not is an error."""
    key = _signing_key(context, request)
    keystore.refuse_dry_run(request)
    valid = asymmetric.is_signature(
        keystore.secret_of(context, key).secret,
        request["SigningAlgorithm"],
        request["Message"],
        request["Signature"],
        is_digest=_is_digest(request),
    )
    if not valid:
        raise ApiError("KMSInvalidSignatureException", "")
    return {
        "KeyId": keystore.arn_of(context, key),
        "SignatureValid": True,
        "SigningAlgorithm": request["SigningAlgorithm"],
    }


def get_public_key(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the public key of an asymmetric key, in DER."""
    key = keystore.find(context, request["KeyId"])
    keystore.require_enabled(context, key)
    if not key.spec.is_asymmetric:
        raise ApiError(
            "UnsupportedOperationException",
            f"{keystore.arn_of(context, key)} is not an asymmetric key.",
        )
    described = keystore.metadata(context, key)
    private = material.load_private(keystore.secret_of(context, key).secret)
    return {
        "KeyId": described["Arn"],
        "PublicKey": material.public_der(private),
        "CustomerMasterKeySpec": described["CustomerMasterKeySpec"],
        "KeySpec": described["KeySpec"],
        "KeyUsage": key.usage,
        ALGORITHM_MEMBERS[key.usage]: described[ALGORITHM_MEMBERS[key.usage]],
    }


def _signing_key(context: Context, request: dict[str, Any]) -> keystore.Key:
    key = keystore.usable(context, request["KeyId"], SIGN)
    algorithm = request["SigningAlgorithm"]
    if algorithm not in key.spec.algorithms[SIGN]:
        raise ApiError(
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.",
        )
    return key


def _is_digest(request: dict[str, Any]) -> bool:
    kind = request.get("MessageType", "RAW")
    if kind == "EXTERNAL_MU":
        raise ApiError("ValidationException", "MessageType EXTERNAL_MU is for ML-DSA keys only.")
    return bool(kind == "DIGEST")
