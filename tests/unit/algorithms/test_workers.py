"""Several processes that serve one model: at once, replaced when they die, ended together."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.workers import worker_count

SERVE = (
    "import sys; from pathlib import Path; import sagebrush.algorithms as a;"
    "from tests.unit.algorithms.trivial_algorithm import CARD;"
    "a._cards = lambda: {'trivial': CARD};"
    "from sagebrush.algorithms.serving import serve_main;"
    "sys.exit(serve_main('trivial', Path(sys.argv[1]), socket_path=sys.argv[2]))"
)


class Server:
    """A model server of two workers."""

    def __init__(self, root: Path, workers: str = "2") -> None:
        (root / "model").mkdir()
        (root / "model" / "sum.json").write_text('{"total": 10}')
        self.path = str(root / "model.sock")
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(root), self.path],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"SAGEMAKER_MODEL_SERVER_WORKERS": workers},
        )

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        until(lambda: Path(self.path).exists() or self.process.poll() is not None)
        client.connect(self.path)
        return client

    def ask(self, body: bytes, connection: socket.socket | None = None) -> tuple[int, bytes]:
        """Return status and body of an answer, after which the connection has ended."""
        sent = connection or self.connect()
        with sent:
            head = f"POST /invocations HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            sent.sendall(head.encode() + body)
            answer = http.client.HTTPResponse(sent, method="POST")
            answer.begin()
            told = answer.status, answer.read()
            assert sent.recv(1) == b""
            return told

    def workers(self) -> set[int]:
        """Return the processes that the server has begun."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(each) for each in children.read_text().split()}

    def log(self) -> str:
        """Return what was printed, once the server has ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    with running.connect():
        pass
    yield running
    running.process.kill()
    running.process.wait(20)


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_two_workers_answer_at_once(server: Server, tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / f"place-{number}"
        folder.mkdir()
        # Both are connected before either has said anything.
        connections = [server.connect(), server.connect()]
        with ThreadPoolExecutor(2) as pool:
            body = b"meet %s" % os.fsencode(folder)
            told = list(pool.map(lambda each, body=body: server.ask(body, each), connections))
        assert {int(pid) for _, pid in told} == server.workers()


def test_more_connections_than_workers_all_get_their_turn(server: Server) -> None:
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda number: server.ask(b"%d" % number), range(200)))
    assert told == [(200, b"%d" % (10 + number)) for number in range(200)]


def test_silent_clients_hold_up_nobody(server: Server) -> None:
    silent = [server.connect() for _ in range(4)]
    assert server.ask(b"5") == (200, b"15")
    assert [server.ask(b"6", each) for each in silent] == [(200, b"16")] * 4


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    until(lambda: len(server.workers()) == 2)
    before = server.workers()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        server.ask(b"die")
    until(lambda: len(server.workers()) == 2 and server.workers() != before)
    assert len(server.workers() & before) == 1
    assert server.ask(b"1") == (200, b"11")


def test_sigterm_lets_all_finish(server: Server, tmp_path: Path) -> None:
    until(lambda: len(server.workers()) == 2)
    workers = server.workers()
    folder = tmp_path / "place"
    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.ask, b"meet %s" % os.fsencode(folder))
        until(lambda: len(list(folder.iterdir())) == 1)
        server.process.send_signal(signal.SIGTERM)
        (folder / "0").touch()
        assert int(first.result()[1]) in workers
    assert server.process.wait(20) == 0
    assert not any(map(alive, workers))
    assert not Path(server.path).exists()
    assert server.log() == ""


def test_workers_end_with_a_parent_that_is_killed(server: Server) -> None:
    until(lambda: len(server.workers()) == 2)
    workers = server.workers()
    server.process.kill()
    until(lambda: not any(map(alive, workers)))


def test_workers_that_end_at_once_end_the_server(server: Server) -> None:
    until(lambda: len(server.workers()) == 2)

    def killed() -> bool:
        for pid in server.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return server.process.poll() is not None

    with contextlib.suppress(FileNotFoundError):
        until(killed)
    assert server.process.wait(20) == 1
    log = server.log()
    assert "ended with status -9; starting another." in log
    assert "Workers end as soon as they have started." in log


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5", ""])
def test_a_number_of_workers_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ClientError, match="SAGEMAKER_MODEL_SERVER_WORKERS must be a positive"):
        worker_count({"SAGEMAKER_MODEL_SERVER_WORKERS": text})


def test_one_worker_is_what_there_is_without_a_word() -> None:
    assert worker_count({}) == 1


def test_a_server_with_a_wrong_number_ends(tmp_path: Path) -> None:
    wrong = Server(tmp_path, workers="none")
    assert wrong.process.wait(20) == 1
    assert "Customer Error: SAGEMAKER_MODEL_SERVER_WORKERS must be" in wrong.log()
