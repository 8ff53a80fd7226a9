"""Encrypting, through boto3; asymmetric results are checked with the cryptography library."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)


@pytest.fixture
def kms(client: Any) -> Any:
    return client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["KeyId"])


def test_what_is_encrypted_is_decrypted_with_the_same_context(
    kms: Any, key: str, refusal: Any
) -> None:
    context = {"purpose": "test", "a": "b"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)
    blob = sealed["CiphertextBlob"]
    assert b"secret" not in blob
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=dict(reversed(context.items())))
    assert opened["Plaintext"] == b"secret"
    assert opened["KeyId"] == sealed["KeyId"]
    for other in ({}, {"purpose": "test"}, context | {"a": "c"}):
        code, _ = refusal(kms.decrypt, CiphertextBlob=blob, EncryptionContext=other)
        assert code == "InvalidCiphertextException"


def test_the_same_text_is_never_sealed_the_same(kms: Any, key: str) -> None:
    blobs = {kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"] for _ in range(3)}
    assert len(blobs) == 3


def test_every_changed_byte_is_noticed(kms: Any, key: str, refusal: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    for position in (0, 17, len(blob) // 2, len(blob) - 1):
        changed = bytearray(blob)
        changed[position] ^= 1
        code, _ = refusal(kms.decrypt, CiphertextBlob=bytes(changed))
        assert code == "InvalidCiphertextException"
    assert refusal(kms.decrypt, CiphertextBlob=blob[:20])[0] == "InvalidCiphertextException"


def test_another_account_cannot_decrypt(kms: Any, key: str, client: Any, refusal: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    other = client("kms", aws_access_key_id="999999999999")
    assert refusal(other.decrypt, CiphertextBlob=blob)[0] == "NotFoundException"


def test_the_named_key_must_be_the_right_one(kms: Any, key: str, refusal: Any) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    assert refusal(kms.decrypt, CiphertextBlob=blob, KeyId=other)[0] == "IncorrectKeyException"
    assert kms.decrypt(CiphertextBlob=blob, KeyId=key)["Plaintext"] == b"x"


def test_re_encrypt(kms: Any, key: str) -> None:
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "b"},
        DestinationKeyId="alias/aws/s3",
    )
    assert moved["SourceKeyId"].endswith(key)
    opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])
    assert (opened["Plaintext"], opened["KeyId"]) == (b"x", moved["KeyId"])


@pytest.mark.parametrize(
    ("request_", "size"),
    [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 7}, 7)],
)
def test_data_keys(kms: Any, key: str, request_: dict[str, Any], size: int) -> None:
    made = kms.generate_data_key(KeyId=key, EncryptionContext={"a": "b"}, **request_)
    assert len(made["Plaintext"]) == size
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]
    hidden = kms.generate_data_key_without_plaintext(KeyId=key, **request_)
    assert "Plaintext" not in hidden
    assert len(kms.decrypt(CiphertextBlob=hidden["CiphertextBlob"])["Plaintext"]) == size


def test_a_data_key_needs_one_size(kms: Any, key: str, refusal: Any) -> None:
    assert refusal(kms.generate_data_key, KeyId=key)[0] == "ValidationException"
    both = {"KeySpec": "AES_256", "NumberOfBytes": 8}
    assert refusal(kms.generate_data_key, KeyId=key, **both)[0] == "ValidationException"


def test_data_key_pairs_belong_together(kms: Any, key: str) -> None:
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    private = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert private == pair["PrivateKeyPlaintext"]
    public = load_der_private_key(private, None).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert der == pair["PublicKey"]
    hidden = kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in hidden


def test_what_others_encrypt_with_the_public_key_is_decrypted(kms: Any) -> None:
    made = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
    public = load_der_public_key(kms.get_public_key(KeyId=made["KeyId"])["PublicKey"])
    assert isinstance(public, RSAPublicKey)
    digest = hashes.SHA256()
    blob = public.encrypt(b"secret", padding.OAEP(padding.MGF1(digest), digest, None))
    opened = kms.decrypt(
        KeyId=made["KeyId"], CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256"
    )
    assert opened["Plaintext"] == b"secret"


def test_dry_runs_change_nothing_and_say_so(kms: Any, key: str, refusal: Any) -> None:
    code, _ = refusal(kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True)
    assert code == "DryRunOperationException"


def test_random_bytes(kms: Any, refusal: Any) -> None:
    drawn = {kms.generate_random(NumberOfBytes=16)["Plaintext"] for _ in range(3)}
    assert {len(value) for value in drawn} == {16}
    assert len(drawn) == 3
    assert refusal(kms.generate_random)[0] == "ValidationException"
