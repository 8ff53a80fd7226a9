"""Key specs: what each can be used for and with which algorithms."""

from __future__ import annotations

from dataclasses import dataclass

ENCRYPT = "ENCRYPT_DECRYPT"
SIGN = "SIGN_VERIFY"
MAC = "GENERATE_VERIFY_MAC"

_RSA_SIGNING = tuple(
    f"RSASSA_{scheme}_SHA_{bits}" for scheme in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)
)
_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A key spec: allowed usages (the first is the default) and the algorithms of each."""

    name: str
    algorithms: dict[str, tuple[str, ...]]

    @property
    def is_asymmetric(self) -> bool:
        """Whether there is a public key."""
        return self.name.startswith(("RSA", "ECC"))


# Member of KeyMetadata that lists the algorithms of a usage.
ALGORITHM_MEMBERS = {
    ENCRYPT: "EncryptionAlgorithms",
    SIGN: "SigningAlgorithms",
    MAC: "MacAlgorithms",
}

KEY_SPECS: dict[str, KeySpec] = {
    spec.name: spec
    for spec in (
        KeySpec("SYMMETRIC_DEFAULT", {ENCRYPT: ("SYMMETRIC_DEFAULT",)}),
        *(
            KeySpec(f"RSA_{bits}", {ENCRYPT: _RSA_ENCRYPTION, SIGN: _RSA_SIGNING})
            for bits in (2048, 3072, 4096)
        ),
        KeySpec("ECC_NIST_P256", {SIGN: ("ECDSA_SHA_256",)}),
        KeySpec("ECC_NIST_P384", {SIGN: ("ECDSA_SHA_384",)}),
        KeySpec("ECC_NIST_P521", {SIGN: ("ECDSA_SHA_512",)}),
        KeySpec("ECC_SECG_P256K1", {SIGN: ("ECDSA_SHA_256",)}),
        KeySpec("ECC_NIST_EDWARDS25519", {SIGN: ("ED25519_SHA_512",)}),
        *(KeySpec(f"HMAC_{bits}", {MAC: (f"HMAC_SHA_{bits}",)}) for bits in (224, 256, 384, 512)),
    )
}
