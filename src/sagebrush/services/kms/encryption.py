"""Encrypt, Decrypt and ReEncrypt."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.kms import asymmetric, envelopes, keystore
from sagebrush.services.kms.specs import ENCRYPT
from sagebrush.services.platform import Context

_SYMMETRIC = "SYMMETRIC_DEFAULT"


def encrypt(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Encrypt up to 4,096 bytes."""
    key = keystore.usable(context, request["KeyId"], ENCRYPT)
    algorithm = _algorithm(key, request.get("EncryptionAlgorithm", _SYMMETRIC))
    keystore.refuse_dry_run(request)
    blob = _sealed(
        context, key, algorithm, request["Plaintext"], request.get("EncryptionContext", {})
    )
    return {
        "CiphertextBlob": blob,
        "KeyId": keystore.arn_of(context, key),
        "EncryptionAlgorithm": algorithm,
    }


def decrypt(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Decrypt a blob; a symmetric one says itself which key made it."""
    keystore.refuse_recipient(request)
    algorithm = request.get("EncryptionAlgorithm", _SYMMETRIC)
    key, plaintext, material_id = _opened(
        context,
        request.get("CiphertextBlob", b""),
        request.get("KeyId"),
        algorithm,
        request.get("EncryptionContext", {}),
    )
    keystore.refuse_dry_run(request)
    return {
        "KeyId": keystore.arn_of(context, key),
        "Plaintext": plaintext,
        "EncryptionAlgorithm": algorithm,
        "KeyMaterialId": material_id,
    }


def re_encrypt(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Decrypt a blob and encrypt it with another key; the plaintext stays inside."""
    source_algorithm = request.get("SourceEncryptionAlgorithm", _SYMMETRIC)
    source, plaintext, source_material = _opened(
        context,
        request.get("CiphertextBlob", b""),
        request.get("SourceKeyId"),
        source_algorithm,
        request.get("SourceEncryptionContext", {}),
    )
    target = keystore.usable(context, request["DestinationKeyId"], ENCRYPT)
    algorithm = _algorithm(target, request.get("DestinationEncryptionAlgorithm", _SYMMETRIC))
    keystore.refuse_dry_run(request)
    blob = _sealed(
        context, target, algorithm, plaintext, request.get("DestinationEncryptionContext", {})
    )
    symmetric = algorithm == _SYMMETRIC
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": keystore.arn_of(context, source),
        "KeyId": keystore.arn_of(context, target),
        "SourceEncryptionAlgorithm": source_algorithm,
        "DestinationEncryptionAlgorithm": algorithm,
        "SourceKeyMaterialId": source_material,
        "DestinationKeyMaterialId": keystore.secret_of(context, target).id if symmetric else None,
    }


def _sealed(
    context: Context,
    key: keystore.Key,
    algorithm: str,
    plaintext: bytes,
    encryption_context: dict[str, str],
) -> bytes:
    material = keystore.secret_of(context, key)
    if algorithm == _SYMMETRIC:
        return envelopes.close(
            key.id, material.number, material.secret, plaintext, encryption_context
        )
    return asymmetric.encrypt(material.secret, algorithm, plaintext)


def _opened(
    context: Context,
    blob: bytes,
    key_id: str | None,
    algorithm: str,
    encryption_context: dict[str, str],
) -> tuple[keystore.Key, bytes, str | None]:
    """Return the key, the plaintext, and the public name of the secret where it has one."""
    if algorithm == _SYMMETRIC:
        envelope = envelopes.parse(blob)
        key = keystore.usable(context, envelope.key_id, ENCRYPT)
        if key_id is not None and keystore.find(context, key_id).id != key.id:
            raise ApiError(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this"
                " operation.",
            )
        material = keystore.secret_of(context, key, envelope.number)
        plaintext = envelopes.open_envelope(envelope, material.secret, encryption_context)
        return key, plaintext, material.id
    if key_id is None:
        raise ApiError(
            "ValidationException", "KeyId is required to decrypt with an asymmetric key."
        )
    key = keystore.usable(context, key_id, ENCRYPT)
    _algorithm(key, algorithm)
    secret = keystore.secret_of(context, key).secret
    return key, asymmetric.decrypt(secret, algorithm, blob), None


def _algorithm(key: keystore.Key, algorithm: str) -> str:
    if algorithm not in key.spec.algorithms[ENCRYPT]:
        raise ApiError(
            "InvalidKeyUsageException",
            f"Algorithm {algorithm} is incompatible with key spec {key.spec.name}.",
        )
    return algorithm
