"""The forward proxy: AWS host names are answered here, others are tunnelled or refused.

Both SageMaker SDKs contact STS at a fixed https address; a proxy is the one way to answer that
without touching the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import cast

from sagebrush.gateway.certificates import CertificateAuthority
from sagebrush.gateway.connection import Connection
from sagebrush.gateway.listener import Listener
from sagebrush.gateway.messages import Response

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".aws.dev")
_ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
_CONNECT_TIMEOUT_S = 15.0
_PIECE_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


def is_aws_host(host: str) -> bool:
    """Whether a host name is AWS's."""
    return host.endswith(_AWS_DOMAINS)


class Proxy:
    """Takes CONNECT requests over."""

    def __init__(
        self, authority: CertificateAuthority, *, offline: bool, for_local_clients: bool = False
    ) -> None:
        """`for_local_clients` keeps tunnels from other machines' clients: nobody signs for one."""
        self._authority = authority
        self._offline = offline
        self._for_local_clients = for_local_clients
        self._tasks: set[asyncio.Task[None]] = set()

    def tunnel(
        self, listener: Listener, connection: Connection, host: str, port: int
    ) -> Response | None:
        """Serve an AWS host here or join the client to another; a response is a refusal."""
        if is_aws_host(host):
            self._start(self._terminate(listener, connection, host, secure=port != 80))
        elif self._offline:
            return _refusal(f"{host} is not an AWS host and this server runs with --offline\n")
        elif self._for_local_clients and not connection.is_local:
            return _refusal(
                f"{host} is not an AWS host; only clients on this machine may go there\n"
            )
        else:
            self._start(self._join(connection, host, port))
        return None

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _terminate(
        self, listener: Listener, connection: Connection, host: str, *, secure: bool
    ) -> None:
        """Speak HTTP with the client as if this were `host`."""
        inner = listener.factory(secure=secure)()
        transport = connection.transport
        transport.write(_ESTABLISHED)
        listener.forget(connection)
        if not secure:
            transport.set_protocol(inner)
            inner.connection_made(transport)
            return
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                transport, inner, self._authority.server_context(host), server_side=True
            )
        except (OSError, ConnectionError) as error:
            _log.info("TLS with a client of %s failed: %s (does it trust the CA?)", host, error)
            transport.abort()
            return
        if upgraded is None:
            transport.abort()
            return
        inner.connection_made(upgraded)

    async def _join(self, connection: Connection, host: str, port: int) -> None:
        """Copy bytes both ways until either side closes."""
        transport = connection.transport
        transport.pause_reading()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            reason = f"cannot reach {host}:{port}: {error}\n".encode()
            transport.write(
                b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(reason), reason)
            )
            transport.close()
            return
        pipe = _Pipe(writer)
        transport.write(_ESTABLISHED)
        transport.set_protocol(pipe)
        pipe.connection_made(transport)
        transport.resume_reading()
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                await pipe.send(piece)
        writer.close()
        transport.close()


def _refusal(message: str) -> Response:
    return Response(403, [("content-type", "text/plain")], message.encode(), close=True)


class _Pipe(asyncio.Protocol):
    """The client's end of a tunnel."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._room = asyncio.Event()
        self._room.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._writer.write(data)

    def eof_received(self) -> bool:
        if self._writer.can_write_eof():
            self._writer.write_eof()
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        self._room.set()
        self._writer.close()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def send(self, piece: bytes) -> None:
        await self._room.wait()
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(piece)
