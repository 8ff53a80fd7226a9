"""The model server over real sockets."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sagebrush.algorithms.serving import serve_main

SERVE = (
    "import sys, sagebrush.algorithms as a; from pathlib import Path;"
    "from tests.unit.algorithms.trivial_algorithm import CARD;"
    "a._cards = lambda: {'trivial': CARD};"
    "from sagebrush.algorithms.serving import serve_main;"
    "sys.exit(serve_main('trivial', Path(sys.argv[1]), socket_path=sys.argv[2]))"
)
# A server that looks for the next request of who asks alone, until somebody else comes.
PATIENT = (
    "import sagebrush.algorithms.lookout as l;"
    "l._LOOK_S = l._LONGEST_PAUSE_S = 300.0; l.processors = lambda: 2;"
)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self.socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.socket_path)


class Server:
    def __init__(self, root: Path, before: str = "") -> None:
        self.path = str(root / "model.sock")
        self.process = subprocess.Popen(
            [sys.executable, "-c", before + SERVE, str(root), self.path],
            stdout=subprocess.PIPE,
            text=True,
        )
        while self.process.poll() is None:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                self.connect().close()
                return
        raise AssertionError("the server ended at once")

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(self.path)
        return client

    def request(self, method: str, path: str, body: bytes = b"", **headers: str):
        connection = UnixConnection(self.path)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type"), response.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("container")
    (root / "model").mkdir()
    (root / "model" / "sum.json").write_text('{"total": 10}')
    running = Server(root)
    yield running
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(20) == 0
    assert not Path(running.path).exists()


def test_the_three_paths_answer(server):
    assert server.request("GET", "/ping")[::2] == (200, b"")
    assert server.request("POST", "/invocations", b"5", Content_Type="text/csv") == (
        200,
        "text/csv",
        b"15",
    )
    status, content_type, body = server.request("GET", "/execution-parameters")
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)["BatchStrategy"] == "MULTI_RECORD"


def test_headers_reach_the_predictor_as_sent(server):
    answer = server.request(
        "POST", "/invocations", b"echo", Content_Type="text/csv; a=1", Accept="text/csv;b=2"
    )
    assert answer[2] == b"text/csv; a=1|text/csv;b=2"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "message"),
    [
        ("POST", "/invocations", b"1", {"Content_Type": "image/png"}, 415, b"no pictures"),
        ("POST", "/invocations", b"crash", {}, 500, b"ZeroDivisionError: a defect"),
        ("GET", "/invocations", b"", {}, 405, b"method not allowed"),
        ("POST", "/ping", b"", {}, 405, b"method not allowed"),
        ("GET", "/elsewhere", b"", {}, 404, b"not found"),
    ],
)
def test_what_cannot_be_answered_gets_its_status(
    server, method, path, body, headers, status, message
):
    answer = server.request(method, path, body, **headers)
    assert (answer[0], answer[2]) == (status, message)


def test_pipelined_requests_are_answered_in_order(server):
    one = b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\n\r\n%d"
    client = server.connect()
    client.sendall(b"".join(one % digit for digit in range(10)))
    received = b""
    while received.count(b"HTTP/1.1 200") < 10 or not received.endswith(b"19"):
        received += client.recv(65536)
    answers = [part.rpartition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert answers == [b"%d" % (10 + digit) for digit in range(10)]


@pytest.mark.parametrize("size", [1, 300_000, 25_000_000])
def test_bodies_of_any_size_arrive_whole(server, size):
    body = b"size" + b"x" * size
    assert server.request("POST", "/invocations", body)[2] == str(len(body)).encode()


def test_a_client_that_reads_slowly_holds_up_nobody(server):
    slow = server.connect()
    request = b"repeat 20000000"
    head = f"POST /invocations HTTP/1.1\r\nContent-Length: {len(request)}\r\n\r\n".encode()
    slow.sendall(head + request + head + request)
    assert server.request("POST", "/invocations", b"5")[2] == b"15"
    received = 0
    while received < 40_000_000:
        received += len(slow.recv(1 << 20))


def test_a_request_that_is_none_ends_its_connection_only(server):
    client = server.connect()
    client.sendall(b"what is this\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\nConnection: close")
    assert client.recv(1) == b""
    leaver = server.connect()
    leaver.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
    leaver.close()
    assert server.request("GET", "/ping")[0] == 200


def test_the_connection_closes_when_the_client_asks_for_it(server):
    client = server.connect()
    client.sendall(b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert client.recv(1) == b""


def test_many_connections_are_served_together(server):
    results = []

    def ask(number: int) -> None:
        connection = UnixConnection(server.path)
        for _ in range(20):
            connection.request("POST", "/invocations", str(number))
            results.append(int(connection.getresponse().read()) - number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [10] * 160


def test_sigterm_lets_a_request_that_has_begun_finish(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "sum.json").write_text('{"total": 1}')
    running = Server(tmp_path)
    begun, idle = running.connect(), running.connect()
    begun.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 2\r\n\r\n4")
    assert running.request("GET", "/ping")[0] == 200
    running.process.send_signal(signal.SIGTERM)
    assert idle.recv(1) == b""
    begun.sendall(b"1")
    assert begun.recv(65536).endswith(b"\r\n\r\n42")
    assert running.process.wait(20) == 0


def test_a_model_that_cannot_be_loaded_ends_the_server(trivial, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    assert serve_main(trivial, tmp_path, socket_path=str(tmp_path / "s")) == 1
    assert "the model has no sum.json" in capsys.readouterr().out
    (tmp_path / "model" / "sum.json").write_text("{")
    assert serve_main(trivial, tmp_path, socket_path=str(tmp_path / "s")) == 1
    assert "Traceback" in capsys.readouterr().out


def test_a_client_that_asks_in_quick_succession_keeps_nobody_out(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "sum.json").write_text('{"total": 10}')
    running = Server(tmp_path)
    busy = running.connect()
    one = b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\n\r\n5"
    answers, begun, enough = [], threading.Event(), threading.Event()

    def ask():
        # The server may close the connection before the next request is sent.
        with contextlib.suppress(ConnectionError):
            while not enough.is_set():
                busy.sendall(one)
                answer = busy.recv(65536)
                if not answer:
                    return
                answers.append(answer)
                if len(answers) == 2000:
                    begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert begun.wait(20)
        # Those that connect, and those that are there already and ask now and then.
        there = running.connect()
        for _ in range(20):
            assert running.request("POST", "/invocations", b"7")[2] == b"17"
            there.sendall(one)
            assert there.recv(65536).endswith(b"\r\n\r\n15")
        answered = len(answers)
        while len(answers) < answered + 2000:
            assert asking.is_alive()
            time.sleep(0.001)
        assert all(answer.endswith(b"\r\n\r\n15") for answer in answers)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
    finally:
        enough.set()
        asking.join(20)
        running.process.kill()
        busy.close()
    assert not Path(running.path).exists()


def test_who_is_looked_for_keeps_nobody_out(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "sum.json").write_text('{"total": 10}')
    running = Server(tmp_path, PATIENT)
    try:
        one = b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\n\r\n5"
        alone, there = running.connect(), running.connect()

        def ask(client, times):
            for _ in range(times):
                client.sendall(one)
                assert client.recv(65536).endswith(b"\r\n\r\n15")

        ask(alone, 40)
        ask(there, 1)
        ask(alone, 40)
        assert running.request("POST", "/invocations", b"7")[2] == b"17"
        ask(alone, 40)
        alone.close()
        ask(there, 40)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
    finally:
        running.process.kill()
