"""The secret bytes of keys: made here, and sealed with the master key wherever they are kept.

The master key is a file of the data directory that only its owner can read; a copy of the database
without it holds no usable key.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

MASTER_KEY_FILE = "kms-master.key"
NONCE_BYTES = 12
_MASTER_KEY_BYTES = 32
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ECC_NIST_P256": ec.SECP256R1,
    "ECC_NIST_P384": ec.SECP384R1,
    "ECC_NIST_P521": ec.SECP521R1,
    "ECC_SECG_P256K1": ec.SECP256K1,
}


def generate(spec: str) -> bytes:
    """Return new secret bytes of a key spec: raw, or a private key in PKCS #8 DER."""
    if spec == "SYMMETRIC_DEFAULT":
        return os.urandom(32)
    if spec.startswith("HMAC_"):
        return os.urandom(int(spec.removeprefix("HMAC_")) // 8)
    return private_der(new_private_key(spec))


def new_private_key(spec: str) -> PrivateKeyTypes:
    """Return a new private key of an RSA or elliptic-curve spec."""
    if spec.startswith("RSA_"):
        return rsa.generate_private_key(65537, int(spec.removeprefix("RSA_")))
    if spec == "ECC_NIST_EDWARDS25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[spec]())


def private_der(key: PrivateKeyTypes) -> bytes:
    """Return a private key in PKCS #8 DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_der(key: PrivateKeyTypes) -> bytes:
    """Return the public key of a private key as SubjectPublicKeyInfo DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def load_private(material: bytes) -> PrivateKeyTypes:
    """Return the private key that `generate` made."""
    return load_der_private_key(material, password=None)


def seal(data_dir: Path, material: bytes, place: str) -> bytes:
    """Return secret bytes encrypted with the master key and bound to `place`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_master_key(data_dir)).encrypt(nonce, material, place.encode())


def unseal(data_dir: Path, sealed: bytes, place: str) -> bytes:
    """Return the secret bytes of `seal`."""
    nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    return AESGCM(_master_key(data_dir)).decrypt(nonce, rest, place.encode())


@lru_cache(maxsize=8)
def _master_key(data_dir: Path) -> bytes:
    path = data_dir / MASTER_KEY_FILE
    if not path.exists():
        _write_master_key(path)
    return path.read_bytes()


def _write_master_key(path: Path) -> None:
    """Write a new master key that is complete and on the disk before it has its name."""
    pending = path.with_suffix(".new")
    pending.unlink(missing_ok=True)
    descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, os.urandom(_MASTER_KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    pending.rename(path)
