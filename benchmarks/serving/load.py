"""Requests as bytes over kept-alive connections, from a process of its own that says its own cost.

As fast as the server answers, one request at a time on each connection, or at a given rate.
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import struct
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.clients import http_request

__all__ = ["Run", "drive", "http_request"]

_READ_BYTES = 1 << 18
_LONGEST_WAIT_S = 0.05
# 60 seconds, as the kernel has them.
_ANSWER_LIMIT = struct.pack("ll", 60, 0)

Address = int | str
"""A port of this machine, or the path of a unix socket."""


@dataclass(frozen=True)
class Run:
    """What a server did under a load; the first tenth of the time is not counted.

    `generator_share` is the part of one processor that the load generator took: near 1, it was
    the generator that was measured.
    """

    requests: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    generator_share: float
    total_requests: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return asdict(self)


def drive(
    address: Address,
    request: bytes,
    *,
    connections: int,
    duration_s: float,
    rate: float | None = None,
) -> Run:
    """Load a server for `duration_s`, by `rate` requests per second if that is given.

    Raises:
        OSError: nobody listens there, or not any more.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("fork").Process(
        target=_work, args=(sending, address, request, connections, duration_s, rate)
    )
    worker.start()
    sending.close()
    try:
        found: Run | OSError = receiving.recv()
    finally:
        worker.join()
    if isinstance(found, OSError):
        raise found
    return found


class _Client:
    """One connection and the request under way on it."""

    __slots__ = ("address", "buffer", "clients", "poll", "socket", "started", "waits")

    def __init__(self, address: Address, poll: select.epoll, clients: dict[int, _Client]) -> None:
        self.address = address
        self.poll = poll
        self.clients = clients
        self.buffer = b""
        self.started = 0.0
        self.waits = False
        self.socket: socket.socket | None = None
        self._connect()

    def _connect(self) -> None:
        if isinstance(self.address, str):
            made = socket.socket(socket.AF_UNIX)
            made.connect(self.address)
        else:
            made = socket.create_connection(("127.0.0.1", self.address), timeout=30)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's timeout: for one of its own, Python asks it before each read and write.
        made.settimeout(None)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _ANSWER_LIMIT)
        self.poll.register(made, select.EPOLLIN)
        self.clients[made.fileno()] = self
        self.socket = made

    def _drop(self) -> None:
        if self.socket is not None:
            self.poll.unregister(self.socket)
            del self.clients[self.socket.fileno()]
            self.socket.close()
            self.socket = None

    def send(self, request: bytes) -> None:
        """Send a request, over a new connection where the server closed the last one."""
        if self.socket is None:
            self._connect()
        assert self.socket is not None
        self.buffer = b""
        self.waits = True
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int:
        """Return the status once the answer is whole, 599 when the server closed instead, else 0.

        A server may close an idle connection: that is no answer to anything.
        """
        assert self.socket is not None
        piece = self.socket.recv(_READ_BYTES)
        if not piece:
            self._drop()
            waited, self.waits = self.waits, False
            return _status_at_close(self.buffer) if waited else 0
        data = self.buffer = self.buffer + piece if self.buffer else piece
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = data[:end].lower()
        position = head.find(b"content-length:")
        if position >= 0:
            line_end = head.find(b"\r\n", position)
            length = int(head[position + 15 : line_end if line_end > 0 else end])
            whole = len(data) >= end + 4 + length
        else:
            whole = b"chunked" in head and data.endswith(b"0\r\n\r\n")
        if not whole:
            return 0
        self.waits = False
        if b"connection: close" in head or head.startswith(b"http/1.0"):
            self._drop()
        return int(data[9:12])


def _status_at_close(data: bytes) -> int:
    """Of a body that only the close ends, the status; 599 where none has come."""
    head, found, _ = data.partition(b"\r\n\r\n")
    whole = found and b"content-length:" not in head.lower() and b"chunked" not in head.lower()
    return int(data[9:12]) if whole else 599


class _Figures:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors = 0
        self.total = 0

    def run(self, seconds: float, generator_share: float) -> Run:
        ordered = sorted(self.latencies) or [float("nan")]
        return Run(
            requests=len(self.latencies),
            seconds=seconds,
            per_second=len(self.latencies) / seconds,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000,
            errors=self.errors,
            generator_share=generator_share,
            total_requests=self.total,
        )


def _work(sending: Any, *load: Any) -> None:
    try:
        sending.send(_loaded(*load))
    except OSError as error:
        sending.send(error)


def _loaded(
    address: Address, request: bytes, connections: int, duration_s: float, rate: float | None
) -> Run:
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    every = [_Client(address, poll, clients) for _ in range(connections)]
    figures = _Figures()
    started, cpu = time.perf_counter(), time.process_time()
    counted_from, end = started + duration_s / 10, started + duration_s
    if rate is None and connections == 1:
        _one_after_the_other(every[0], request, figures, counted_from, end)
    elif rate is None:
        _as_fast_as_answered(poll, every, clients, request, figures, counted_from, end)
    else:
        _at_rate(poll, every, clients, request, figures, counted_from, end, rate)
    share = (time.process_time() - cpu) / (time.perf_counter() - started)
    return figures.run(end - counted_from, share)


def _as_fast_as_answered(
    poll: select.epoll,
    every: list[_Client],
    clients: dict[int, _Client],
    request: bytes,
    figures: _Figures,
    counted_from: float,
    end: float,
) -> None:
    for client in every:
        client.send(request)
    now = time.perf_counter()
    while now < end:
        for number, _ in poll.poll(1):
            client = clients[number]
            status = client.receive()
            if status:
                now = time.perf_counter()
                _note(figures, client, status, now, counted_from)
                client.send(request)
        now = time.perf_counter()


def _one_after_the_other(
    client: _Client, request: bytes, figures: _Figures, counted_from: float, end: float
) -> None:
    """Wait for each answer in the read, as clients with one connection do.

    An event loop would cost a part of what is measured.
    """
    client.send(request)
    now = time.perf_counter()
    while now < end:
        status = client.receive()
        now = time.perf_counter()
        if status:
            _note(figures, client, status, now, counted_from)
            client.send(request)


def _at_rate(
    poll: select.epoll,
    every: list[_Client],
    clients: dict[int, _Client],
    request: bytes,
    figures: _Figures,
    counted_from: float,
    end: float,
    rate: float,
) -> None:
    """Send at the rate; what is due while every connection waits is sent as soon as one is free.

    Latencies count from when a request was due, so that a server that stalls is not spared.
    """
    free = every
    due = time.perf_counter()
    while (now := time.perf_counter()) < end:
        while free and due <= now:
            client = free.pop()
            client.send(request)
            client.started = due
            due += 1 / rate
        wait_s = _LONGEST_WAIT_S if not free else min(_LONGEST_WAIT_S, max(0.0, due - now))
        for number, _ in poll.poll(wait_s):
            client = clients[number]
            status = client.receive()
            if status:
                _note(figures, client, status, time.perf_counter(), counted_from)
                free.append(client)


def _note(figures: _Figures, client: _Client, status: int, now: float, counted_from: float) -> None:
    figures.total += 1
    if now >= counted_from:
        figures.latencies.append(now - client.started)
    figures.errors += not 200 <= status < 300
