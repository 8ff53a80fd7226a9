"""Whom the proxy lets through to hosts that are not AWS's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.gateway.certificates import CertificateAuthority
from sagebrush.gateway.connection import Connection
from sagebrush.gateway.messages import Response
from sagebrush.gateway.proxy import Proxy


def refusal(proxy: Proxy, client: str, host: str) -> Response | None:
    """Return the answer to a CONNECT; None is a tunnel."""

    async def ask() -> Response | None:
        connection = Connection(cast("Any", None), SimpleNamespace(connections=set()), secure=False)
        transport = cast("Any", SimpleNamespace(get_extra_info={"peername": (client, 1)}.get))
        connection.connection_made(transport)
        proxy._start = lambda work: work.close()  # type: ignore[method-assign]
        return proxy.tunnel(cast("Any", None), connection, host, 443)

    return asyncio.run(ask())


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_programs_on_this_machine_may_go_anywhere(tmp_path: Path, client: str) -> None:
    proxy = Proxy(CertificateAuthority(tmp_path), offline=False, for_local_clients=True)
    assert refusal(proxy, client, "pypi.org") is None


def test_clients_of_other_machines_reach_aws_names_alone(tmp_path: Path) -> None:
    proxy = Proxy(CertificateAuthority(tmp_path), offline=False, for_local_clients=True)
    for host in ("pypi.org", "127.0.0.1", "10.0.0.1"):
        refused = refusal(proxy, "192.0.2.7", host)
        assert refused is not None
        assert refused.status == 403
    assert refusal(proxy, "192.0.2.7", "sts.amazonaws.com") is None


def test_nothing_is_kept_from_anybody_where_nothing_is_checked(tmp_path: Path) -> None:
    proxy = Proxy(CertificateAuthority(tmp_path), offline=False)
    assert refusal(proxy, "192.0.2.7", "pypi.org") is None
