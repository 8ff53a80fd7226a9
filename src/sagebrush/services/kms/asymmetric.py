"""RSA and elliptic-curve arithmetic over private keys in PKCS #8."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from sagebrush.base.errors import ApiError
from sagebrush.services.kms.envelopes import invalid_ciphertext
from sagebrush.services.kms.material import load_private

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA_1": hashes.SHA1,
    "SHA_256": hashes.SHA256,
    "SHA_384": hashes.SHA384,
    "SHA_512": hashes.SHA512,
}


def encrypt(secret: bytes, algorithm: str, plaintext: bytes) -> bytes:
    """Return `plaintext` encrypted with the public key of an RSA key."""
    key = _rsa(secret)
    oaep = _oaep(algorithm)
    # RFC 8017, 7.1.1: the message is at most k - 2 hLen - 2 bytes long.
    hash_bytes = 20 if algorithm.endswith("SHA_1") else 32
    limit = key.key_size // 8 - 2 * hash_bytes - 2
    if len(plaintext) > limit:
        raise ApiError(
            "ValidationException",
            f"Algorithm {algorithm} and key spec RSA_{key.key_size} cannot encrypt data larger"
            f" than {limit} bytes.",
        )
    return key.public_key().encrypt(plaintext, oaep)


def decrypt(secret: bytes, algorithm: str, blob: bytes) -> bytes:
    """Return the plaintext of an RSA blob.

    Raises:
        ApiError: InvalidCiphertextException.
    """
    try:
        return _rsa(secret).decrypt(blob, _oaep(algorithm))
    except ValueError:
        raise invalid_ciphertext() from None


def sign(secret: bytes, algorithm: str, message: bytes, *, is_digest: bool) -> bytes:
    """Return the signature of a message, or of a digest of it."""
    key = load_private(secret)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        _refuse_digest(algorithm, is_digest=is_digest)
        return key.sign(message)
    chosen = _hash(algorithm, message, is_digest=is_digest)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, _padding(algorithm), chosen)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(message, ec.ECDSA(chosen))


def is_signature(
    secret: bytes, algorithm: str, message: bytes, signature: bytes, *, is_digest: bool
) -> bool:
    """Return whether a signature is one of the message by this key."""
    key = load_private(secret)
    try:
        if isinstance(key, ed25519.Ed25519PrivateKey):
            _refuse_digest(algorithm, is_digest=is_digest)
            key.public_key().verify(signature, message)
            return True
        chosen = _hash(algorithm, message, is_digest=is_digest)
        if isinstance(key, rsa.RSAPrivateKey):
            key.public_key().verify(signature, message, _padding(algorithm), chosen)
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            key.public_key().verify(signature, message, ec.ECDSA(chosen))
    except InvalidSignature:
        return False
    return True


def _rsa(secret: bytes) -> rsa.RSAPrivateKey:
    key = load_private(secret)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _oaep(algorithm: str) -> padding.OAEP:
    chosen = _HASHES[algorithm.removeprefix("RSAES_OAEP_")]
    return padding.OAEP(mgf=padding.MGF1(chosen()), algorithm=chosen(), label=None)


def _padding(algorithm: str) -> padding.PSS | padding.PKCS1v15:
    if "_PSS_" not in algorithm:
        return padding.PKCS1v15()
    # KMS uses salts as long as the digest.
    return padding.PSS(padding.MGF1(_named_hash(algorithm)), padding.PSS.DIGEST_LENGTH)


def _named_hash(algorithm: str) -> hashes.HashAlgorithm:
    return _HASHES["SHA_" + algorithm.rpartition("_")[2]]()


def _hash(algorithm: str, message: bytes, *, is_digest: bool) -> hashes.HashAlgorithm | Prehashed:
    named = _named_hash(algorithm)
    if not is_digest:
        return named
    if len(message) != named.digest_size:
        raise ApiError(
            "ValidationException", f"Digest is invalid length for algorithm {algorithm}."
        )
    return Prehashed(named)


def _refuse_digest(algorithm: str, *, is_digest: bool) -> None:
    if is_digest:
        raise ApiError(
            "ValidationException", f"MessageType DIGEST cannot be used with {algorithm}."
        )
