"""A certificate authority of this data directory and the host certificates it signs.

Clients that insist on https (the SageMaker SDKs reach STS that way) trust `ca.pem`; `bundle.pem`
adds the public authorities, so that one variable serves AWS names and the rest of the world.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.base.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import (
        AuthorityKeyIdentifier,
        Certificate,
        CertificateBuilder,
        GeneralName,
        Name,
    )

_VALID = dt.timedelta(days=820)  # the longest that Apple's and others' clients accept
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,10}")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class CertificateAuthority:
    """Signs a certificate for any host name asked for; keeps its own key in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: dict[str, ssl.SSLContext] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate_path.exists():
            self._create()

    @property
    def certificate_path(self) -> Path:
        """The authority's own certificate, in PEM."""
        return self._folder / "ca.pem"

    @property
    def bundle_path(self) -> Path:
        """The authority's certificate and the public ones, in PEM."""
        return self._folder / "bundle.pem"

    def server_context(self, host: str = "localhost") -> ssl.SSLContext:
        """Return a context that answers as `host`, or as the name the client asks for."""
        context = self._contexts.get(host)
        if context is None:
            context = self._contexts[host] = self._make_context(host)
        return context

    def _make_context(self, host: str) -> ssl.SSLContext:
        path = self._host_certificate(host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(path)
        context.sni_callback = self._choose
        return context

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        # The name becomes a file name, so it must be a host name and nothing else.
        if name and _HOST_NAME.fullmatch(name):
            connection.context = self.server_context(_generalised(name))
        return None

    def _host_certificate(self, host: str) -> Path:
        """Return the PEM file with key and certificate for `host`, making it when absent."""
        path = self._folder / "hosts" / f"{host.replace('*', '_')}.pem"
        if not path.exists():
            self._sign(host, path)
        return path

    def _create(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Sagebrush local certificate authority")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        _write_private(self._folder / "ca.key", _key_pem(key))
        _write_private(self.bundle_path, _public_authorities() + pem)
        # Last, since its presence says that the authority is complete.
        _write_private(self.certificate_path, pem)

    def _sign(self, host: str, path: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        authority_key = self._authority_key()
        key = ec.generate_private_key(ec.SECP256R1())
        names = dict.fromkeys((host, *(_LOCAL_NAMES if host == "localhost" else ())))
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        certificate = (
            _builder(_name(host), authority.subject, key)
            .add_extension(alternatives, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_authority_identifier(authority), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        path.parent.mkdir(exist_ok=True, mode=0o700)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        _write_private(path, _key_pem(key) + pem)

    def _authority_key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self._folder / "ca.key"
        key = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{path} is not the key this program made; remove {path}")
        return key


def _generalised(name: str) -> str:
    """Replace the first label by a wildcard, so that buckets and regions share certificates."""
    labels = name.split(".")
    return ".".join(["*", *labels[1:]]) if len(labels) > 3 else name


def _name(common_name: str) -> Name:
    from cryptography import x509

    # A common name holds at most 64 characters; the alternative names carry the whole.
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: Name, issuer: Name, key: EllipticCurvePrivateKey) -> CertificateBuilder:
    from cryptography import x509

    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _VALID)
    )


def _authority_identifier(authority: Certificate) -> AuthorityKeyIdentifier:
    from cryptography import x509

    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_authorities() -> bytes:
    """Return what the user's programs trusted so far: their own bundle, or the system's."""
    named = (os.environ.get(name) for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"))
    for path in (*named, ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES):
        if path and Path(path).is_file():
            return Path(path).read_bytes().rstrip() + b"\n"
    return b""


def _write_private(path: Path, content: bytes) -> None:
    """Write the whole file or none of it, readable by its owner only."""
    temporary = path.with_name(path.name + ".part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
