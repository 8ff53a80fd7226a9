"""The authority signs for any host name, and clients that trust it verify the result."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.gateway.certificates import CertificateAuthority


def shake_hands(authority: CertificateAuthority, name: str) -> str:
    """Return the common name that a client of `name` is shown, after it verified it."""
    ours, theirs = socket.socketpair()
    context = authority.server_context()

    def serve() -> None:
        with context.wrap_socket(ours, server_side=True) as secure:
            secure.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    client = ssl.create_default_context(cafile=authority.bundle_path)
    with client.wrap_socket(theirs, server_hostname=name) as secure:
        certificate = secure.getpeercert()
        secure.sendall(b"x")
    server.join()
    assert certificate is not None
    return str(dict(item[0] for item in certificate["subject"])["commonName"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("localhost", "localhost"),
        ("sts.amazonaws.com", "sts.amazonaws.com"),
        ("sts.us-east-1.amazonaws.com", "*.us-east-1.amazonaws.com"),
        ("my-bucket.s3.eu-west-1.amazonaws.com", "*.s3.eu-west-1.amazonaws.com"),
    ],
)
def test_clients_verify_any_aws_name(tmp_path: Path, name: str, shown: str) -> None:
    assert shake_hands(CertificateAuthority(tmp_path / "tls"), name) == shown


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    first = CertificateAuthority(tmp_path).certificate_path.read_bytes()
    assert CertificateAuthority(tmp_path).certificate_path.read_bytes() == first


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    authority.server_context("sts.amazonaws.com")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("name", ["../../escaped", "a/b", "", "x" * 70, "a..b"])
def test_a_name_that_is_no_host_name_gets_no_certificate(tmp_path: Path, name: str) -> None:
    connection: Any = SimpleNamespace(context=None)
    CertificateAuthority(tmp_path)._choose(connection, name, None)  # type: ignore[arg-type]
    assert connection.context is None
    assert not (tmp_path / "hosts").exists()
