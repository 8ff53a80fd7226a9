"""The listening socket: one port for plain HTTP, TLS and the forward proxy.

The first byte of a connection tells TLS from HTTP, so it is peeked at before a protocol is chosen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from ssl import SSLContext

from sagebrush.gateway.connection import Application, Connection

_TLS_HANDSHAKE = b"\x16"
_FIRST_BYTE_TIMEOUT_S = 60.0
_IDLE_TIMEOUT_S = 120.0
_STALLED_TIMEOUT_S = 300.0
_BACKLOG = 1024

_log = logging.getLogger(__name__)


class Listener:
    """Accepts connections until closed."""

    def __init__(self, application: Application, tls: Callable[[], SSLContext]) -> None:
        self._application = application
        self._tls = tls
        self.connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._emptied: asyncio.Future[None] | None = None

    def bind(self, host: str, port: int) -> int:
        """Bind and return the port (a free one when `port` is 0).

        Raises:
            OSError: the address is in use or not this machine's.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError:
            listening.close()
            raise
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        self._socket = listening
        return int(listening.getsockname()[1])

    async def serve(self) -> None:
        """Accept until cancelled."""
        assert self._socket is not None, "bind first"
        loop = asyncio.get_running_loop()
        reaper = loop.create_task(self._reap())
        try:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(self._socket)
                except OSError as error:
                    # Out of descriptors: what is open must end before more can begin.
                    _log.warning("cannot accept a connection: %s", error)
                    await asyncio.sleep(0.1)
                    continue
                task = loop.create_task(self._welcome(accepted))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            reaper.cancel()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop listening, let answers under way finish, then cut what is left."""
        if self._socket is not None:
            self._socket.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._all_closed()
        for connection in list(self.connections):
            connection.transport.abort()

    async def _all_closed(self) -> None:
        if self.connections:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""
        self.connections.discard(connection)
        if not self.connections and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def factory(self, *, secure: bool) -> Callable[[], Connection]:
        """Return what makes the protocol of one connection."""
        return lambda: Connection(self._application, self, secure=secure)

    async def _welcome(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = await asyncio.wait_for(_peek(accepted), _FIRST_BYTE_TIMEOUT_S)
            if not first:
                accepted.close()
                return
            secure = first == _TLS_HANDSHAKE
            context = self._tls() if secure else None
            await loop.connect_accepted_socket(self.factory(secure=secure), accepted, ssl=context)
        except (OSError, TimeoutError) as error:
            _log.debug("connection dropped before its first request: %s", error)
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise

    async def _reap(self) -> None:
        """Close connections on which nothing has moved for long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(15)
            now = loop.time()
            for connection in list(self.connections):
                quiet_s = now - connection.idle_since
                if connection.idle and quiet_s > _IDLE_TIMEOUT_S:
                    connection.transport.close()
                elif connection.starved and quiet_s > _STALLED_TIMEOUT_S:
                    connection.transport.abort()


async def _peek(accepted: socket.socket) -> bytes:
    """Return the first byte without taking it, or nothing when the client closes."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return accepted.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_reader(accepted, _resolve, ready)
            try:
                await ready
            finally:
                loop.remove_reader(accepted)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
