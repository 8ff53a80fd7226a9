"""Several processes that serve one model, as the model server of AWS's images does.

They are forked once the model is loaded, and so share its memory. Each takes one connection at a
time, answers its request and closes it: what waits is taken by whoever is free next.
"""

import gc
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Mapping
from types import FrameType

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.http_messages import Head
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.model_server import ModelServer, _Connection
from sagebrush.algorithms.predictor import Predictor

VARIABLE = "SAGEMAKER_MODEL_SERVER_WORKERS"
# A client that says nothing for so long holds up nobody else any more.
_PATIENCE_S = 1.0
# A worker that ends sooner than this after its start is not replaced for ever.
_PROVEN_S = 1.0
_EARLY_ENDS = 5
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGCHLD})


def worker_count(environment: Mapping[str, str]) -> int:
    """How many processes are asked for, 1 if nothing is said; ClientError for what is no number."""
    text = environment.get(VARIABLE, "1").strip()
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ClientError(f"{VARIABLE} must be a positive integer, not {text!r}.")
    return int(text)


class Worker(ModelServer):
    """Serves one connection at a time, one request each; ``lifeline`` ends with the parent."""

    def __init__(
        self,
        listener: socket.socket,
        predictor: Predictor,
        log: Log,
        default_accept: str,
        lifeline: int,
    ) -> None:
        super().__init__(listener, predictor, log, default_accept)
        self._selector.register(lifeline, selectors.EVENT_READ, self._end_alone)
        self._lifeline = lifeline

    def run(self) -> None:
        """Answer requests until stopped, then finish those that have begun to arrive."""
        self._listener.setblocking(False)
        self._open()
        while not self._stopping:
            ready = self._selector.select(_PATIENCE_S if self._connections else None)
            if not ready:
                self._open()
            self._turn(ready)
        self._open()
        self._selector.unregister(self._lifeline)
        self._drain()

    def gathers(self, connection: _Connection, head: Head, body: bytes) -> bool:
        """Put every request aside: it is answered when it is known which was the last of a turn."""
        self._gathered.append((connection, head._replace(keep_alive=False), body))
        return True

    def forget(self, connection: _Connection) -> None:
        """Close the connection, and be there for the next one."""
        super().forget(connection)
        if not self._connections and not self._stopping:
            self._open()

    def _turn(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, _ in ready:
            key.data()
        gathered, self._gathered = self._gathered, []
        for connection, head, body in gathered:
            answer = self.answer(head, body)
            assert isinstance(answer, tuple), "one model answers at once"
            connection.deliver(answer, head)

    def _accept(self) -> None:
        super()._accept()
        if self._connections:
            self._selector.unregister(self._listener)

    def _open(self) -> None:
        if self._listener not in self._selector.get_map():
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _end_alone(self) -> None:
        self._stopping = True


def serve_in_workers(
    count: int, listener: socket.socket, predictor: Predictor, log: Log, default_accept: str
) -> int:
    """Serve in ``count`` processes until SIGTERM, replacing those that end; the exit code.

    0 when all have drained, 1 when they end as soon as they have started.
    """
    # What is loaded stays; collectors need not look at it, which would also copy it.
    gc.collect()
    gc.freeze()
    return _Crew(listener, predictor, log, default_accept).keep(count)


class _Crew:
    """The parent of the workers."""

    def __init__(
        self, listener: socket.socket, predictor: Predictor, log: Log, default_accept: str
    ) -> None:
        self._listener = listener
        self._predictor = predictor
        self._log = log
        self._default_accept = default_accept
        self._began: dict[int, float] = {}
        self._early_ends = 0
        self._stopping = False
        # Ends in every worker when this process does, however that happens.
        self._lifeline, self._held = os.pipe()

    def keep(self, count: int) -> int:
        """Start workers and replace those that end, until SIGTERM; then see all to their ends."""
        waker, wakened = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, _take_note)
        for _ in range(count):
            self._start_one()
        while not self._stopping:
            wakened.recv(64)
            if not self._replace_ended():
                self._log.error("Workers end as soon as they have started.")
                self._end()
                return 1
        self._end()
        return 0

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start_one(self) -> None:
        """Fork a worker; its process never returns from here."""
        # Until the worker has handlers of its own, signals for it wait.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._began[pid] = time.monotonic()
            return
        code = 1
        try:
            os.close(self._held)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._work(mask)
            code = 0
        except Exception:  # noqa: BLE001 - the boundary of the process: its last words
            self._log.error(f"A worker failed:\n{traceback.format_exc().rstrip()}")
        finally:
            os._exit(code)

    def _work(self, mask: set[signal.Signals | int]) -> None:
        worker = Worker(
            self._listener, self._predictor, self._log, self._default_accept, self._lifeline
        )
        with worker.stopped_by_sigterm():
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            worker.run()

    def _replace_ended(self) -> bool:
        """Start another worker for each that has ended; False when that is of no use."""
        for pid, status in self._ended():
            lived_s = time.monotonic() - self._began.pop(pid)
            if self._stopping:
                continue  # it was told the same
            code = os.waitstatus_to_exitcode(status)
            self._log.error(f"Worker {pid} ended with status {code}; starting another.")
            self._early_ends = self._early_ends + 1 if lived_s < _PROVEN_S else 0
            if self._early_ends >= _EARLY_ENDS:
                return False
            self._start_one()
        return True

    def _ended(self) -> list[tuple[int, int]]:
        """Return the workers that have ended and their statuses."""
        outcomes = [os.waitpid(pid, os.WNOHANG) for pid in self._began]
        return [(pid, status) for pid, status in outcomes if pid]

    def _end(self) -> None:
        for pid in self._began:
            os.kill(pid, signal.SIGTERM)
        for pid in self._began:
            os.waitpid(pid, 0)


def _take_note(_signal: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor say that a worker has ended."""
