"""One thread that answers the requests of many connections, one at a time."""

import json
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.http_messages import (
    CONTINUE,
    Head,
    ProtocolError,
    RequestParser,
    response_head,
)
from sagebrush.algorithms.joint import (
    MAX_BODY_BYTES,
    MAX_REQUESTS,
    Gain,
    JointPredictor,
    Outcome,
    invoke_together,
)
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.lookout import Lookout
from sagebrush.algorithms.predictor import BatchTransformer, Predictor

RECEIVE_BYTES = 1 << 18
DRAIN_WAIT_S = 10.0
_JOINED_BYTES = 1 << 16
_TEXT = "text/plain; charset=utf-8"

Answer = tuple[int, str, bytes]


class ModelServer:
    """Serves a predictor on a listening socket until it is asked to stop.

    Requests of one connection are answered in order, pipelined ones too. A prediction that fails
    unexpectedly is logged with its traceback and answered with 500. Requests that have arrived
    while others were answered are predicted together where the predictor can and gains from it.
    """

    def __init__(
        self, listener: socket.socket, predictor: Predictor, log: Log, default_accept: str = ""
    ) -> None:
        self.predictor = predictor
        self.log = log
        self._default_accept = default_accept
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._stopping = False
        # The connection that something was read from last.
        self.heard: _Connection | None = None
        self._joint = predictor if isinstance(predictor, JointPredictor) else None
        self._gain = Gain()
        self._is_gathering = False
        self._gathered: list[tuple[_Connection, Head, bytes]] = []

    def run(self) -> None:
        """Answer requests until stopped, then finish those that have begun to arrive."""
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        lookout = Lookout()
        while not self._stopping:
            began = time.perf_counter()
            ready = self._selector.select()
            waited_s = time.perf_counter() - began
            self.heard = None
            self._turn(ready)
            lookout.note(self.heard if len(ready) == 1 else None, waited_s)
            lookout.attend(self._others_came)
        self._drain()

    def _others_came(self) -> bool:
        """Whether there is more to do than to answer the connection that was heard last."""
        heard = None if self.heard is None else self.heard.socket
        return self._stopping or any(
            key.fileobj is not heard for key, _ in self._selector.select(0)
        )

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """Do what has become possible; whoever is alone is answered without further ado."""
        self._is_gathering = self._joint is not None and len(ready) > 1
        for key, _ in ready:
            key.data()
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._is_gathering = False
            answer_gathered(self, gathered)

    @contextmanager
    def stopped_by_sigterm(self) -> Iterator[None]:
        """SIGTERM ends ``run`` while the block runs."""
        waker, wakened = socket.socketpair()
        waker.setblocking(False)
        wakened.setblocking(False)
        self._selector.register(wakened, selectors.EVENT_READ, lambda: wakened.recv(64))

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self._stopping = True

        previous_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        previous = signal.signal(signal.SIGTERM, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)
            signal.set_wakeup_fd(previous_fd)
            waker.close()
            wakened.close()

    def answer(self, head: Head, body: bytes) -> "Answer | Future[Answer]":
        """Status, content type and body that answer a request, or will be there later."""
        if head.path == "/invocations":
            return (
                self.invoke(self.predictor, head, body) if head.method == "POST" else _not_allowed()
            )
        if head.path == "/ping":
            return (200, _TEXT, b"") if head.method in ("GET", "HEAD") else _not_allowed()
        if head.path == "/execution-parameters":
            return self._execution_parameters() if head.method == "GET" else _not_allowed()
        return 404, _TEXT, b"not found"

    def invoke(self, predictor: Predictor, head: Head, body: bytes) -> Answer:
        """What a model answers to a request."""
        accept = self._accept_of(head)
        try:
            payload, content_type = predictor.invoke(body, head.content_type, accept)
        except InferenceError as error:
            return self._refusal(error)
        except Exception as error:  # noqa: BLE001 - a failed prediction must not end the server
            self.log.error(f"The prediction failed:\n{traceback.format_exc().rstrip()}")
            return 500, _TEXT, f"{type(error).__name__}: {error}".encode()
        return 200, content_type, payload

    def gathers(self, connection: "_Connection", head: Head, body: bytes) -> bool:
        """Whether a request is put aside, to be answered with the others of this turn."""
        if (
            not self._is_gathering
            or len(body) > MAX_BODY_BYTES
            or head.path != "/invocations"
            or head.method != "POST"
        ):
            return False
        self._gathered.append((connection, head, body))
        return True

    def answers(self, requests: list[tuple[Head, bytes]]) -> list[Answer]:
        """What requests of one content type and accept are answered, each for itself."""
        together = len(requests) > 1 and self._gain.prefers_together()
        started = time.perf_counter()
        found = self._joint_answers(requests) if together else None
        if found is None:
            together = False
            found = [self.invoke(self.predictor, *request) for request in requests]
        if len(requests) > 1:
            self._gain.note(together, len(requests), started)
        return found

    def _joint_answers(self, requests: list[tuple[Head, bytes]]) -> list[Answer] | None:
        head = requests[0][0]
        assert self._joint is not None
        bodies = [body for _, body in requests]
        try:
            found = invoke_together(self._joint, bodies, head.content_type, self._accept_of(head))
        except Exception:  # noqa: BLE001 - each is asked for itself then, and its failure told
            return None
        return None if found is None else [self._answer_of(outcome) for outcome in found]

    def _answer_of(self, outcome: Outcome) -> Answer:
        if isinstance(outcome, InferenceError):
            return self._refusal(outcome)
        payload, content_type = outcome
        return 200, content_type, payload

    def _refusal(self, error: InferenceError) -> Answer:
        """What a request is answered that cannot be; the log has it, where clients are sent to."""
        self.log.error(f"Customer Error: {error.message}")
        return error.status, _TEXT, error.message.encode()

    def _accept_of(self, head: Head) -> str:
        accept = self._default_accept if head.accept in ("", "*/*") else head.accept
        return accept or head.accept

    def _execution_parameters(self) -> Answer:
        if not isinstance(self.predictor, BatchTransformer):
            return 404, _TEXT, b"not found"
        document = dict(self.predictor.execution_parameters())
        return 200, "application/json", json.dumps(document).encode()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            # The client has gone again, or there are no file descriptors left for it now.
            return
        accepted.setblocking(False)
        if accepted.family == socket.AF_INET:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(accepted, self)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection.receive)

    def watch(self, connection: "_Connection", events: int, callback: Callable[[], object]) -> None:
        """Call back when the connection has these events, and for no others."""
        self._selector.modify(connection.socket, events, callback)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back from the serving thread; here nothing answers from any other thread."""
        callback()

    def forget(self, connection: "_Connection") -> None:
        """Close the connection."""
        self._selector.unregister(connection.socket)
        self._connections.discard(connection)
        connection.socket.close()

    def _drain(self) -> None:
        self._selector.unregister(self._listener)
        self._listener.close()
        deadline = time.monotonic() + DRAIN_WAIT_S
        while self._connections and time.monotonic() < deadline:
            ready = self._selector.select(0)
            self._turn(ready)
            if not ready:
                for connection in [each for each in self._connections if each.is_idle]:
                    self.forget(connection)
                if self._connections:
                    self._selector.select(deadline - time.monotonic())
        for connection in list(self._connections):
            self.forget(connection)
        self._selector.close()


class _Connection:
    """One client: the requests it sends and what it has not yet read of the responses."""

    __slots__ = ("_closing", "_parser", "_server", "_unsent", "_waiting", "socket")

    def __init__(self, accepted: socket.socket, server: ModelServer) -> None:
        self.socket = accepted
        self._server = server
        self._parser = RequestParser()
        self._unsent: list[bytes | memoryview] = []
        self._closing = False
        self._waiting = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request or a response is under way."""
        return not self._unsent and not self._waiting and self._parser.is_idle

    @property
    def listens(self) -> bool:
        """Whether the client may be read from: it has read what it was sent, and is there."""
        return not self._unsent and not self._closing and self.socket.fileno() >= 0

    def receive(self) -> bool:
        """Read what has arrived, if anything has, and answer the requests it completes."""
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._server.forget(self)
            return True
        self._server.heard = self
        self._parser.feed(data)
        self._answer_requests()
        return True

    def _answer_requests(self) -> None:
        parser = self._parser
        try:
            while not self._unsent and not self._closing and not self._waiting:
                request = parser.next_request()
                if request is None:
                    if parser.take_continue():
                        self._send(CONTINUE)
                    return
                head, body = request
                if self._server.gathers(self, head, body):
                    self._waiting = True
                    return
                answer = self._server.answer(head, body)
                if isinstance(answer, Future):
                    self._respond_later(answer, head)
                else:
                    self._respond(*answer, head.keep_alive)
        except ProtocolError as error:
            self._respond(error.status, _TEXT, error.message.encode(), keep_alive=False)

    def _respond_later(self, future: "Future[Answer]", head: Head) -> None:
        self._waiting = True

        def resume() -> None:
            self._waiting = False
            if self.socket.fileno() >= 0:
                self._respond(*future.result(), head.keep_alive)
                self._answer_requests()

        future.add_done_callback(lambda _: self._server.call_soon(resume))

    def deliver(self, answer: Answer, head: Head) -> None:
        """Answer the request that was put aside, and go on with those behind it."""
        self._waiting = False
        if self.socket.fileno() >= 0:
            self._respond(*answer, head.keep_alive)
            self._answer_requests()

    def _respond(self, status: int, content_type: str, payload: bytes, keep_alive: bool) -> None:
        self._closing = not keep_alive
        head = response_head(status, content_type, len(payload), keep_alive)
        if len(payload) < _JOINED_BYTES:
            self._send(head + payload)
        else:
            self._send(head, payload)

    def _send(self, *parts: bytes) -> None:
        self._unsent = [*parts]
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                sent = self.socket.send(self._unsent[0])
                if sent == len(self._unsent[0]):
                    del self._unsent[0]
                else:
                    self._unsent[0] = memoryview(self._unsent[0])[sent:]
        except BlockingIOError:
            self._server.watch(self, selectors.EVENT_WRITE, self._resume)
            return
        except OSError:
            self._server.forget(self)
            self._closing = True
            return
        if self._closing:
            self._server.forget(self)

    def _resume(self) -> None:
        """The client reads again: go on sending, then with its further requests."""
        self._flush()
        if not self._unsent and not self._closing:
            self._server.watch(self, selectors.EVENT_READ, self.receive)
            self._answer_requests()


def answer_gathered(server: ModelServer, gathered: list[tuple[_Connection, Head, bytes]]) -> None:
    """Answer the requests of one turn in groups of one content type and accept."""
    groups: dict[tuple[str, str], list[tuple[_Connection, Head, bytes]]] = {}
    for each in gathered:
        groups.setdefault((each[1].content_type, each[1].accept), []).append(each)
    for group in groups.values():
        for start in range(0, len(group), MAX_REQUESTS):
            part = group[start : start + MAX_REQUESTS]
            answers = server.answers([(head, body) for _, head, body in part])
            for (connection, head, _), answer in zip(part, answers, strict=True):
                connection.deliver(answer, head)


def _not_allowed() -> Answer:
    return 405, _TEXT, b"method not allowed"
