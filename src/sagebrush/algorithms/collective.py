"""Sums, gathers and broadcasts of numpy arrays among the hosts of one training job.

The hosts form a star: the first host listens, the others connect to it, and every operation is one
message up and one message down on each connection. Sums are taken in host order, so that every
host gets the same bits and two runs agree. All hosts must make the same calls in the same order
with arrays of the same shapes; a host that ends early must keep taking part with zeros.

A message is its payload's length (uint64, little endian) and the payload in numpy's ``.npy``
format, which carries shape and type and no code.
"""

import hashlib
import io
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError

FIRST_PORT = 20_000
PORT_SPAN = 12_000
PORTS_TRIED = 32
CONNECT_TIMEOUT_S = 300.0
RETRY_PAUSE_S = 0.05
_LENGTH = struct.Struct("<Q")
_HELLO = struct.Struct("<32sI")

Array = NDArray[Any]


class Collective:
    """This host's place in a group of hosts; a group of one talks to nobody.

    ``rank`` is this host's index, ``size`` the number of hosts. ``peers`` are the open sockets: on
    rank 0 those of ranks 1, 2, ... in order, elsewhere the one to rank 0. Operations raise
    AlgorithmError when a host is lost.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, peers: Sequence[tuple[str, socket.socket]] = ()
    ) -> None:
        self.rank = rank
        self.size = size
        self._peers = list(peers)

    @property
    def leads(self) -> bool:
        """Whether this host decides and writes for the group."""
        return self.rank == 0

    def gather(self, array: Array) -> list[Array]:
        """The arrays of all hosts in host order on the first host, an empty list elsewhere."""
        if not self.leads:
            self._send(self._peers[0], array)
            return []
        return [array, *(self._receive(peer) for peer in self._peers)]

    def broadcast(self, array: Array | None) -> Array:
        """The first host's array on every host; the others' argument is ignored."""
        if not self.leads:
            return self._receive(self._peers[0])
        assert array is not None
        for peer in self._peers:
            self._send(peer, array)
        return array

    def concatenate(self, array: Array) -> Array:
        """All hosts' rows one after the other, in host order, on every host."""
        if self.size == 1:
            return array
        parts = self.gather(array)
        return self.broadcast(np.concatenate(parts) if self.leads else None)

    def sum(self, array: Array) -> Array:
        """The elementwise sum of all hosts' arrays, the same bits on every host."""
        return self._reduce(array, np.add)

    def minimum(self, array: Array) -> Array:
        """The elementwise minimum of all hosts' arrays."""
        return self._reduce(array, np.minimum)

    def maximum(self, array: Array) -> Array:
        """The elementwise maximum of all hosts' arrays."""
        return self._reduce(array, np.maximum)

    def any(self, flag: bool) -> bool:
        """Whether any host says yes."""
        return bool(self.maximum(np.array(flag, dtype=np.uint8)))

    def close(self) -> None:
        """Close the connections; the group is of no use afterwards."""
        for _, connection in self._peers:
            connection.close()

    def _reduce(self, array: Array, operation: Callable[..., Array]) -> Array:
        if self.size == 1:
            return array
        parts = self.gather(array)
        if not self.leads:
            return self.broadcast(None)
        total = parts[0].copy()
        for part in parts[1:]:
            operation(total, part, out=total)
        return self.broadcast(total)

    def _send(self, peer: tuple[str, socket.socket], array: Array) -> None:
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        payload = buffer.getbuffer()
        host, connection = peer
        try:
            connection.sendall(_LENGTH.pack(len(payload)))
            connection.sendall(payload)
        except OSError as error:
            raise AlgorithmError(f"The connection to host {host} was lost: {error}") from error

    def _receive(self, peer: tuple[str, socket.socket]) -> Array:
        host, connection = peer
        try:
            (length,) = _LENGTH.unpack(_read_exactly(connection, _LENGTH.size))
            payload = _read_exactly(connection, length)
        except OSError as error:
            raise AlgorithmError(f"The connection to host {host} was lost: {error}") from error
        array: Array = np.load(io.BytesIO(payload), allow_pickle=False)
        return array


def connect(
    hosts: Sequence[str],
    current_host: str,
    *,
    job: str | None = None,
    timeout_s: float = CONNECT_TIMEOUT_S,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Collective:
    """Join the group of these hosts; returns when all are connected.

    ``job`` tells this job's group from others on the same machine: it chooses the ports that are
    tried and must be the same on all hosts (default: the TRAINING_JOB_NAME variable). Raises
    AlgorithmError when the hosts do not find each other in time or a stop is requested.
    """
    rank = list(hosts).index(current_host)
    if len(hosts) == 1:
        return Collective()
    name = os.environ.get("TRAINING_JOB_NAME", "") if job is None else job
    token = hashlib.sha256("\n".join([name, *hosts]).encode()).digest()
    first = FIRST_PORT + int.from_bytes(token[:4], "little") % PORT_SPAN
    ports = range(first, first + PORTS_TRIED)
    waiting = _Deadline(timeout_s, stop_requested)
    if rank == 0:
        return Collective(0, len(hosts), _accept(hosts, ports, token, waiting))
    return Collective(rank, len(hosts), [_join(hosts[0], ports, token, rank, waiting)])


class _Deadline:
    def __init__(self, timeout_s: float, stop_requested: Callable[[], bool]) -> None:
        self._end = time.monotonic() + timeout_s
        self._stop_requested = stop_requested

    def check(self, waiting_for: str) -> None:
        if self._stop_requested():
            raise AlgorithmError(f"Stopped while waiting for {waiting_for}.")
        if time.monotonic() > self._end:
            raise AlgorithmError(f"Gave up waiting for {waiting_for}.")


def _accept(
    hosts: Sequence[str], ports: Sequence[int], token: bytes, waiting: _Deadline
) -> list[tuple[str, socket.socket]]:
    joined: dict[int, socket.socket] = {}
    with _listen(hosts[0], ports) as listener:
        listener.settimeout(RETRY_PAUSE_S)
        while len(joined) < len(hosts) - 1:
            missing = [host for rank, host in enumerate(hosts) if rank and rank not in joined]
            waiting.check("host " + ", ".join(missing))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            rank = _read_hello(connection, token, len(hosts))
            if rank is None or rank in joined:
                connection.close()
                continue
            connection.sendall(token)
            joined[rank] = connection
    for connection in joined.values():
        _prepare(connection)
    return [(hosts[rank], joined[rank]) for rank in sorted(joined)]


def _listen(host: str, ports: Sequence[int]) -> socket.socket:
    refused: OSError | None = None
    for port in ports:
        try:
            return socket.create_server((_address_of(host), port), backlog=128)
        except OSError as error:
            refused = error
    raise AlgorithmError(f"Host {host} cannot listen for the other hosts: {refused}")


def _address_of(host: str) -> str:
    """The host's address; where names of hosts mean nothing, all of them are this machine."""
    try:
        return socket.gethostbyname(host)
    except OSError:
        return "127.0.0.1"


def _read_hello(connection: socket.socket, token: bytes, size: int) -> int | None:
    """The rank that a connecting host claims; None if it is not of this group."""
    connection.settimeout(2.0)
    try:
        their_token, rank = _HELLO.unpack(_read_exactly(connection, _HELLO.size))
    except OSError:
        return None
    return rank if their_token == token and 0 < rank < size else None


def _join(
    leader: str, ports: Sequence[int], token: bytes, rank: int, waiting: _Deadline
) -> tuple[str, socket.socket]:
    """Try each port until the one behind it answers with the group's own token."""
    while True:
        for port in ports:
            connection = _try_join(leader, port, token, rank)
            if connection is not None:
                _prepare(connection)
                return leader, connection
        waiting.check(f"host {leader}")
        time.sleep(RETRY_PAUSE_S)


def _try_join(leader: str, port: int, token: bytes, rank: int) -> socket.socket | None:
    try:
        connection = socket.create_connection((_address_of(leader), port), timeout=2.0)
    except OSError:
        return None
    try:
        connection.sendall(_HELLO.pack(token, rank))
        if _read_exactly(connection, len(token)) == token:
            return connection
    except OSError:
        pass  # another program's port: the next one is tried
    connection.close()
    return None


def _prepare(connection: socket.socket) -> None:
    """Small messages must not wait for more, and a silent host may only be computing."""
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _read_exactly(connection: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    done = 0
    while done < length:
        count = connection.recv_into(view[done:])
        if count == 0:
            raise ConnectionResetError("closed by the other side")
        done += count
    return data
