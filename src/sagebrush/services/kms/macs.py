"""GenerateMac and VerifyMac."""

from __future__ import annotations

import hmac
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import keystore
from sagebrush.services.kms.specs import MAC
from sagebrush.services.platform import Context


def generate_mac(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the authentication code of a message."""
    key, code = _mac(context, request)
    keystore.refuse_dry_run(request)
    return {
        "Mac": code,
        "MacAlgorithm": request["MacAlgorithm"],
        "KeyId": keystore.arn_of(context, key),
    }


def verify_mac(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer that a code is valid; one that is not is an error."""
    key, code = _mac(context, request)
    keystore.refuse_dry_run(request)
    if not hmac.compare_digest(code, request["Mac"]):
        raise ApiError("KMSInvalidMacException", "")
    return {
        "KeyId": keystore.arn_of(context, key),
        "MacValid": True,
        "MacAlgorithm": request["MacAlgorithm"],
    }


def _mac(context: Context, request: dict[str, Any]) -> tuple[keystore.Key, bytes]:
    key = keystore.usable(context, request["KeyId"], MAC)
    algorithm = request["MacAlgorithm"]
    if algorithm not in key.spec.algorithms[MAC]:
        raise ApiError(
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.",
        )
    secret = keystore.secret_of(context, key).secret
    digest = "sha" + algorithm.removeprefix("HMAC_SHA_")
    return key, hmac.digest(secret, request["Message"], digest)
