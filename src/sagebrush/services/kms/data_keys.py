"""Data keys: secrets made here, handed out in the clear and encrypted, and not kept."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import envelopes, keystore, material
from sagebrush.services.kms.specs import ENCRYPT, KEY_SPECS
from sagebrush.services.platform import Context

_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}


def generate_data_key(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a data key; answer it in the clear and encrypted."""
    plaintext, answer = _data_key(context, request)
    return answer | {"Plaintext": plaintext}


def generate_data_key_without_plaintext(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Make a data key; answer it encrypted."""
    return _data_key(context, request)[1]


async def generate_data_key_pair(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a key pair; answer the private key in the clear and encrypted."""
    private, answer = await _pair(context, request)
    return answer | {"PrivateKeyPlaintext": private}


async def generate_data_key_pair_without_plaintext(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Make a key pair; answer the private key encrypted."""
    return (await _pair(context, request))[1]


def generate_random(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer random bytes."""
    del context
    keystore.refuse_recipient(request)
    if "CustomKeyStoreId" in request:
        raise ApiError(
            "UnsupportedOperationException",
            "Sagebrush does not support the parameter CustomKeyStoreId.",
        )
    if "NumberOfBytes" not in request:
        raise ApiError("ValidationException", "NumberOfBytes is required.")
    return {"Plaintext": os.urandom(request["NumberOfBytes"])}


def _data_key(context: Context, request: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    keystore.refuse_recipient(request)
    key = _symmetric(context, request)
    if ("NumberOfBytes" in request) == ("KeySpec" in request):
        raise ApiError(
            "ValidationException",
            "Please specify either number of bytes or key spec.",
        )
    keystore.refuse_dry_run(request)
    size = request.get("NumberOfBytes") or _SPEC_BYTES[request["KeySpec"]]
    plaintext = os.urandom(size)
    blob, material_id = _sealed(context, key, plaintext, request)
    return plaintext, {
        "CiphertextBlob": blob,
        "KeyId": keystore.arn_of(context, key),
        "KeyMaterialId": material_id,
    }


async def _pair(context: Context, request: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    keystore.refuse_recipient(request)
    spec = request["KeyPairSpec"]
    if spec not in KEY_SPECS:
        raise ApiError(
            "UnsupportedOperationException", f"Sagebrush does not support KeyPairSpec {spec}."
        )
    with context.db.transaction():
        _symmetric(context, request)
    keystore.refuse_dry_run(request)
    pair = await asyncio.to_thread(material.new_private_key, spec)
    private = material.private_der(pair)
    with context.db.transaction():
        key = _symmetric(context, request)
        blob, material_id = _sealed(context, key, private, request)
    return private, {
        "PrivateKeyCiphertextBlob": blob,
        "PublicKey": material.public_der(pair),
        "KeyId": keystore.arn_of(context, key),
        "KeyPairSpec": spec,
        "KeyMaterialId": material_id,
    }


def _symmetric(context: Context, request: dict[str, Any]) -> keystore.Key:
    key = keystore.usable(context, request["KeyId"], ENCRYPT)
    if key.spec.name != "SYMMETRIC_DEFAULT":
        raise ApiError(
            "InvalidKeyUsageException",
            f"{keystore.arn_of(context, key)} is not a symmetric key.",
        )
    return key


def _sealed(
    context: Context, key: keystore.Key, plaintext: bytes, request: dict[str, Any]
) -> tuple[bytes, str]:
    secret = keystore.secret_of(context, key)
    blob = envelopes.close(
        key.id, secret.number, secret.secret, plaintext, request.get("EncryptionContext", {})
    )
    return blob, secret.id
