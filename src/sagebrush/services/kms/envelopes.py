"""What an encrypted blob looks like: which key and secret made it, and the sealed bytes.

Layout: version (1 byte), key id (16), number of the secret (4, big endian), nonce (12), AES-256-GCM
ciphertext with its tag. The head and the encryption context are authenticated.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sagebrush.base.errors import ApiError
from sagebrush.services.kms.material import NONCE_BYTES

_HEAD = struct.Struct(">B16sI")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed blob."""

    key_id: str
    number: int
    head: bytes
    nonce: bytes
    sealed: bytes


def close(
    key_id: str, number: int, secret: bytes, plaintext: bytes, context: dict[str, str]
) -> bytes:
    """Return the blob of `plaintext`."""
    head = _HEAD.pack(_VERSION, UUID(key_id).bytes, number)
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(secret).encrypt(nonce, plaintext, head + _canonical(context))
    return head + nonce + sealed


def parse(blob: bytes) -> Envelope:
    """Return the parts of a blob.

    Raises:
        ApiError: InvalidCiphertextException.
    """
    if len(blob) <= _HEAD.size + NONCE_BYTES:
        raise invalid_ciphertext()
    version, key_id, number = _HEAD.unpack_from(blob)
    if version != _VERSION:
        raise invalid_ciphertext()
    nonce = blob[_HEAD.size : _HEAD.size + NONCE_BYTES]
    return Envelope(
        str(UUID(bytes=key_id)),
        number,
        blob[: _HEAD.size],
        nonce,
        blob[_HEAD.size + NONCE_BYTES :],
    )


def open_envelope(envelope: Envelope, secret: bytes, context: dict[str, str]) -> bytes:
    """Return the plaintext.

    Raises:
        ApiError: InvalidCiphertextException, for a changed blob or another encryption context.
    """
    try:
        return AESGCM(secret).decrypt(
            envelope.nonce, envelope.sealed, envelope.head + _canonical(context)
        )
    except InvalidTag:
        raise invalid_ciphertext() from None


def invalid_ciphertext() -> ApiError:
    """Return the error about a blob that cannot be opened; AWS says no more."""
    return ApiError("InvalidCiphertextException", "")


def _canonical(context: dict[str, str]) -> bytes:
    return orjson.dumps(context, option=orjson.OPT_SORT_KEYS)
