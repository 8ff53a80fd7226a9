"""Signatures and authentication codes; results are checked with the libraries users check with."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key


@pytest.fixture
def kms(client: Any) -> Any:
    return client("kms")


def make(kms: Any, spec: str, usage: str = "SIGN_VERIFY") -> str:
    return str(kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("RSA_2048", "RSASSA_PSS_SHA_256"),
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512"),
        ("ECC_NIST_P256", "ECDSA_SHA_256"),
        ("ECC_NIST_P384", "ECDSA_SHA_384"),
        ("ECC_NIST_P521", "ECDSA_SHA_512"),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
    ],
)
def test_sign_and_verify(kms: Any, refusal: Any, spec: str, algorithm: str) -> None:
    key = make(kms, spec)
    given = {"KeyId": key, "SigningAlgorithm": algorithm}
    signature = kms.sign(Message=b"message", **given)["Signature"]
    assert kms.verify(Message=b"message", Signature=signature, **given)["SignatureValid"]
    code, _ = refusal(kms.verify, Message=b"other", Signature=signature, **given)
    assert code == "KMSInvalidSignatureException"


def test_others_verify_rsa_signatures(kms: Any) -> None:
    key = make(kms, "RSA_2048")
    digest = hashlib.sha256(b"long message").digest()
    signature = kms.sign(
        KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm="RSASSA_PSS_SHA_256"
    )["Signature"]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    assert isinstance(public, RSAPublicKey)
    chosen = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(chosen), salt_length=chosen.digest_size)
    public.verify(signature, b"long message", pss, chosen)


def test_others_verify_elliptic_curve_signatures(kms: Any) -> None:
    key = make(kms, "ECC_NIST_P256")
    answer = kms.sign(KeyId=key, Message=b"message", SigningAlgorithm="ECDSA_SHA_256")
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    assert isinstance(public, EllipticCurvePublicKey)
    public.verify(answer["Signature"], b"message", ECDSA(hashes.SHA256()))


def test_wrong_uses_are_refused(kms: Any, refusal: Any) -> None:
    key = make(kms, "ECC_NIST_P256")
    wrong = refusal(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_512")
    assert wrong[0] == "InvalidKeyUsageException"
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x")[0] == "InvalidKeyUsageException"
    short = {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert refusal(kms.sign, KeyId=key, Message=b"x", **short)[0] == "ValidationException"
    symmetric = kms.create_key()["KeyMetadata"]["KeyId"]
    code, _ = refusal(kms.get_public_key, KeyId=symmetric)
    assert code == "UnsupportedOperationException"


def test_macs(kms: Any, refusal: Any) -> None:
    key = make(kms, "HMAC_256", "GENERATE_VERIFY_MAC")
    given = {"KeyId": key, "MacAlgorithm": "HMAC_SHA_256"}
    mac = kms.generate_mac(Message=b"message", **given)["Mac"]
    assert len(mac) == 32
    assert kms.verify_mac(Message=b"message", Mac=mac, **given)["MacValid"]
    assert refusal(kms.verify_mac, Message=b"other", Mac=mac, **given)[0] == (
        "KMSInvalidMacException"
    )
    longer = given | {"MacAlgorithm": "HMAC_SHA_512"}
    assert refusal(kms.generate_mac, Message=b"m", **longer)[0] == "InvalidKeyUsageException"
