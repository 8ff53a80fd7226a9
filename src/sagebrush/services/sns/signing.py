"""Signatures of notices: an RSA key of this data directory, and the certificate to check them by.

What is signed and how: "Verifying the signatures of Amazon SNS messages", Amazon SNS Developer
Guide. The certificate is this server's own, so it has this server's address.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
from base64 import b64encode
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sagebrush.base.errors import ConfigurationError
from sagebrush.services.platform import Platform

KEY_FILE = "sns-signing-key.pem"
_WORKER = "sns signer"
_VALID = dt.timedelta(days=3650)


def signer_of(platform: Platform) -> Signer:
    """Return the signer of a server; its key is made when there is none yet."""
    found: Signer | None = platform.workers.get(_WORKER)
    if found is None:
        path = platform.settings.data_dir / KEY_FILE
        found = platform.workers[_WORKER] = Signer(path, platform.settings.endpoint)
    return found


class Signer:
    """Signs with the key and certificate of one file."""

    def __init__(self, path: Path, endpoint: str) -> None:
        if not path.exists():
            _make(path)
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ConfigurationError(f"{path} is not the key this program made; remove {path}")
        self._key = key
        certificate = x509.load_pem_x509_certificate(content)
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        name = hashlib.sha256(self.certificate).hexdigest()[:32]
        self.page = f"SimpleNotificationService-{name}.pem"
        self.certificate_url = f"{endpoint}/_sagebrush/sns/{self.page}"
        # The subscribers of a topic get the same signature: only the last text is remembered.
        self._signed = functools.lru_cache(maxsize=1)(self._sign)

    def sign(self, text: str, version: str) -> str:
        """Return the signature of a text in base64: SHA-1 in version 1, SHA-256 in version 2."""
        return self._signed(text, version)

    def _sign(self, text: str, version: str) -> str:
        # Version 1 is SHA-1 by definition; who wants better sets the topic's SignatureVersion.
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303
        return b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()


def _make(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    temporary = path.with_name(path.name + ".part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    temporary.replace(path)
