"""Requests that wait at the same time: together where that is cheaper, each answered for itself."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost

from sagebrush.algorithms import model_server
from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.serve import IPInsightsPredictor
from sagebrush.algorithms.joint import Gain, JointPredictor, invoke_together
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.model_server import ModelServer
from sagebrush.algorithms.xgboost.serve import load


class Doubling:
    """Twice the number that a body holds; `groups` are the sizes of what was predicted at once.

    The body `wait` waits for `released`, `crash` fails unexpectedly when it is predicted, and
    `apart` goes together with nobody.
    """

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.begun = threading.Event()
        self.released = threading.Event()

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        rows = self.rows_of(body, content_type)
        self.groups.append(1)
        return self.answer_of(rows, self._doubled(rows), accept)

    def rows_of(self, body: bytes, _content_type: str) -> bytes:
        if body == b"bad":
            raise InferenceError(415, "no number")
        if body == b"wait":
            self.begun.set()
            assert self.released.wait(20)
        return body

    def predictions_of(self, parts: list[bytes]) -> list[bytes] | None:
        if b"apart" in parts:
            return None
        self.groups.append(len(parts))
        return [self._doubled(part) for part in parts]

    def answer_of(self, _rows: bytes, predictions: bytes, accept: str) -> tuple[bytes, str]:
        return predictions, accept or "text/plain"

    def _doubled(self, rows: bytes) -> bytes:
        if rows == b"crash":
            raise RuntimeError("a defect of the model")
        return b"%d" % (2 * int(rows)) if rows.isdigit() else rows


class Running:
    """A server in a thread, and clients that are answered only once all of them have asked."""

    def __init__(self, path: Path) -> None:
        self.predictor = Doubling()
        self.log = io.StringIO()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        self._path = str(path)
        self._server = ModelServer(listener, self.predictor, Log(stream=self.log))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def clients(self, count: int) -> list[socket.socket]:
        """Connections that the server has accepted: each has had an answer."""
        made = []
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(20)
            client.connect(self._path)
            send(client, b"0")
            assert _answer(client) == (200, b"0")
            made.append(client)
        self.predictor.groups.clear()
        return made

    def together(self, *bodies: bytes) -> list[tuple[int, bytes]]:
        """The answers to requests that all wait while another one is answered."""
        first, *clients = self.clients(len(bodies) + 1)
        send(first, b"wait")
        assert self.predictor.begun.wait(20)
        for client, body in zip(clients, bodies, strict=True):
            send(client, body)
        self.predictor.released.set()
        assert _answer(first) == (200, b"wait")
        return [_answer(client) for client in clients]

    def stop(self) -> None:
        (client,) = self.clients(1)
        self._server._stopping = True
        send(client, b"0")
        client.close()
        self._thread.join(20)


def send(client: socket.socket, *bodies: bytes, accept: str = "") -> None:
    for body in bodies:
        lines = ["POST /invocations HTTP/1.1", f"accept: {accept}", f"content-length: {len(body)}"]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def _answer(client: socket.socket) -> tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(1)
    length = int(data.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return int(data[9:12]), client.recv(length, socket.MSG_WAITALL) if length else b""


@pytest.fixture
def running(tmp_path) -> Iterator[Running]:
    server = Running(tmp_path / "s")
    yield server
    server.stop()


def test_what_waits_is_predicted_at_once_and_answered_each(running):
    found = running.together(b"1", b"2", b"3")
    assert found == [(200, b"2"), (200, b"4"), (200, b"6")]
    assert running.predictor.groups == [1, 3]


def test_a_lone_request_is_answered_alone(running):
    (client,) = running.clients(1)
    send(client, b"4", b"5")
    assert [_answer(client), _answer(client)] == [(200, b"8"), (200, b"10")]
    assert running.predictor.groups == [1, 1]


def test_a_bad_request_fails_alone(running):
    assert running.together(b"1", b"bad", b"3") == [(200, b"2"), (415, b"no number"), (200, b"6")]
    assert running.predictor.groups == [1, 2]


def test_a_defect_strikes_only_the_request_that_meets_it(running):
    found = running.together(b"1", b"crash", b"3")
    assert [status for status, _ in found] == [200, 500, 200]
    assert running.log.getvalue().count("The prediction failed") == 1


def test_what_does_not_go_together_is_asked_one_by_one(running):
    assert running.together(b"1", b"apart") == [(200, b"2"), (200, b"apart")]
    assert running.predictor.groups == [1, 1, 1]


def test_large_bodies_and_other_accepts_stay_apart(running):
    first, large, other, *clients = running.clients(5)
    send(first, b"wait")
    assert running.predictor.begun.wait(20)
    send(large, b" " * (1 << 14))
    send(other, b"3", accept="a/b")
    for client in clients:
        send(client, b"1")
    running.predictor.released.set()
    answers = [_answer(client) for client in (first, large, other, *clients)]
    assert [body.strip() for _, body in answers] == [b"wait", b"", b"6", b"2", b"2"]
    assert sorted(running.predictor.groups) == [1, 1, 1, 2]


def test_pipelined_requests_keep_their_order_behind_one_that_waits(running):
    first, second, third = running.clients(3)
    send(first, b"wait")
    assert running.predictor.begun.wait(20)
    send(second, b"1", b"2", b"3")
    send(third, b"4")
    running.predictor.released.set()
    assert _answer(first) == (200, b"wait")
    assert [_answer(second)[1] for _ in range(3)] == [b"2", b"4", b"6"]
    assert _answer(third) == (200, b"8")


def test_groups_have_a_limit(running, monkeypatch):
    monkeypatch.setattr(model_server, "MAX_REQUESTS", 2)
    monkeypatch.setattr(Gain, "prefers_together", lambda _: True)
    assert len(running.together(*[b"1"] * 5)) == 5
    assert sorted(running.predictor.groups) == [1, 1, 2, 2]


def test_both_ways_are_tried_and_the_cheaper_one_is_taken(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    gain = Gain()
    assert gain.prefers_together()
    gain.note(True, 4, now - 4.0)
    assert not gain.prefers_together()
    gain.note(False, 4, now - 8.0)
    chosen = [gain.prefers_together() for _ in range(200)]
    assert chosen.count(False) == 3
    # What was cheaper becomes dear: the choice follows.
    for _ in range(100):
        gain.note(True, 1, now - 9.0)
    assert not gain.prefers_together()


def test_xgboost_predicts_together_to_the_last_bit(tmp_path):
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 5)).astype("float32")
    classes = (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0)
    for number, parameters in enumerate(
        ({"objective": "binary:logistic"}, {"objective": "multi:softprob", "num_class": 3})
    ):
        labels = classes if number else classes > 0
        folder = tmp_path / str(number)
        folder.mkdir()
        booster = xgboost.train(parameters, xgboost.DMatrix(rows, labels), 10)
        booster.save_model(folder / "model.ubj")
        predictor = load(folder, {})
        assert isinstance(predictor, JointPredictor)
        bodies = [b",".join(b"%f" % value for value in row) for row in rows[:20]]
        bodies[3] = bodies[4] + b"\n" + bodies[5]
        alone = [predictor.invoke(body, "text/csv", "") for body in bodies]
        assert invoke_together(predictor, bodies, "text/csv", "") == alone
        bodies[7] = b"1,x"
        found = invoke_together(predictor, bodies, "text/csv", "")
        assert isinstance(found[7], InferenceError)
        assert found[8:] == alone[8:]
        assert invoke_together(predictor, [bodies[0], b"1,2"], "text/csv", "") is None


def test_a_network_predicts_together_what_it_does_alone():
    model = IPInsights(40, 4, mini_batch_size=50)
    model.fit([f"u{index % 9}" for index in range(200)], [f"1.2.3.{index}" for index in range(200)])
    predictor = IPInsightsPredictor(model)
    assert isinstance(predictor, JointPredictor)
    bodies = [b"u1,1.2.3.4", b"nobody,9.9.9.9\nu2,1.2.3.7", b"u3"]
    first, second, third = invoke_together(predictor, bodies, "text/csv", "")
    for body, found in zip(bodies, (first, second), strict=False):
        alone = predictor.invoke(body, "text/csv", "")
        assert _numbers(found[0]) == pytest.approx(_numbers(alone[0]), rel=1e-12)
    assert third.status == 400


def _numbers(answer: bytes) -> list[float]:
    return [float(part.split(b"}")[0]) for part in answer.split(b": ")[2:]]
