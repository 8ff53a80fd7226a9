"""Load for HTTP servers: requests as bytes over kept-alive connections, from another process."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a server did under a load: requests per second, latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def load(port: int, request: bytes, *, connections: int, duration_s: float) -> Load:
    """Send `request` over and over on each connection, one at a time, from a process of its own.

    The first tenth of the time warms up and is not counted.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("fork").Process(
        target=_drive, args=(sending, port, request, connections, duration_s)
    )
    worker.start()
    latencies, errors, elapsed_s = receiving.recv()
    worker.join()
    if not latencies:
        return Load(0.0, float("nan"), float("nan"), errors)
    ordered = sorted(latencies)
    return Load(
        len(ordered) / elapsed_s,
        statistics.median(ordered) * 1000,
        ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
        errors,
    )


class _Connection:
    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._port = port
        self._selector = selector
        self._closed = False
        self.buffer = b""
        self.started = 0.0
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, self)
        return connection

    def send(self, request: bytes) -> None:
        """Send a request, over a new connection where the server closed the last one."""
        if self._closed:
            self._selector.unregister(self.socket)
            self.socket.close()
            self.socket = self._connect()
            self._closed = False
        self.buffer = b""
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Return the status once the whole answer is here."""
        piece = self.socket.recv(1 << 20)
        self.buffer += piece
        if not piece:
            self._closed = True
            return int(self.buffer[9:12] or 599)
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        self._closed = b"connection: close" in head or head.startswith(b"http/1.0")
        position = head.find(b"content-length:")
        if position >= 0:
            length = int(head[position + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return None
        elif not self.buffer.endswith(b"0\r\n\r\n"):
            return None
        return int(self.buffer[9:12])


def _drive(sending: object, port: int, request: bytes, connections: int, duration_s: float) -> None:
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        _Connection(port, selector).send(request)
    started = time.perf_counter()
    counted_from, end = started + duration_s / 10, started + duration_s
    latencies: list[float] = []
    errors = 0
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select(timeout=1):
            status = key.data.receive()
            if status is None:
                continue
            if now >= counted_from:
                latencies.append(time.perf_counter() - key.data.started)
            errors += not 200 <= status < 300
            key.data.send(request)
    sending.send((latencies, errors, end - counted_from))  # type: ignore[attr-defined]


def http_request(
    method: str, path: str, headers: dict[str, str], body: bytes = b"", host: str = "localhost"
) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
