"""Passes bytes from a port on to a unix socket, and back, and looks at none of them.

What it costs is what any server must that stands between clients and the processes of models: to be
woken, to read and to write, twice. `python -m benchmarks.serving.relay PORT SOCKET`.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import cast

import uvloop

from benchmarks.peers import free_port
from benchmarks.serving.load import drive
from benchmarks.serving.processes import cpu_s


class _End(asyncio.Protocol):
    """One of the two ends of a connection; what it reads, the other writes."""

    def __init__(self, other: _End | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self._early += data
        elif not self.other.transport.is_closing():
            self.other.transport.write(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def join(self, other: _End) -> None:
        """Pass on what came before the other end was there."""
        self.other = other
        if other.transport is not None and self._early:
            other.transport.write(self._early)


class _Front(_End):
    """The end towards a client."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, back = await loop.create_unix_connection(lambda: _End(self), self._path)
        self.join(back)


async def relay(port: int, path: str) -> None:
    """Relay for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Front(path), "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def _running(path: str) -> Iterator[tuple[int, int]]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.serving.relay", str(port), path]
    with subprocess.Popen(command) as child:
        try:
            yield child.pid, port
        finally:
            child.kill()


def relayed(path: str, request: bytes, connections: int, duration_s: float) -> dict[str, float]:
    """Return requests a second through a relay, and its processor time for each of them.

    Raises:
        OSError: nobody listens at `path`, or the relay did not start.
    """
    with _running(path) as (pid, port):
        deadline = time.monotonic() + 10.0
        while True:
            try:
                drive(port, request, connections=connections, duration_s=0.5)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        before = cpu_s(pid)
        run = drive(port, request, connections=connections, duration_s=duration_s)
        took = cpu_s(pid) - before
    return {
        "relay_per_second": run.per_second,
        "relay_cpu_us": took / max(run.total_requests, 1) * 1e6,
    }


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(relay(int(sys.argv[1]), sys.argv[2]))
