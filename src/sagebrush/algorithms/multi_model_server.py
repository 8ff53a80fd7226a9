"""The server of a multi-model container: models are loaded, listed, unloaded and asked by name.

The interface is AWS's (mms-container-apis.md).
"""

import contextlib
import json
import selectors
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.http_messages import Head
from sagebrush.algorithms.loaded_models import LoadedModels, LoadError, NoRoomError
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.model_server import Answer, ModelServer

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_CONFLICT, _NO_ROOM = 409, 507


class NoPredictor:
    """Stands where a server of one model has that."""

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Refuse what names no model, as its path does."""
        del body, content_type, accept
        raise InferenceError(404, "this container serves models by their names")


class MultiModelServer(ModelServer):
    """Serves many models; while one is loaded, the others go on answering."""

    def __init__(
        self, listener: socket.socket, models: LoadedModels, log: Log, default_accept: str = ""
    ) -> None:
        super().__init__(listener, NoPredictor(), log, default_accept)
        self._models = models
        self._loading: set[str] = set()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._callbacks: deque[Callable[[], None]] = deque()
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        self._selector.register(self._wakened, selectors.EVENT_READ, self._call_back)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back from the serving thread; any thread may ask for it."""
        self._callbacks.append(callback)
        with contextlib.suppress(BlockingIOError):  # it is awake anyway
            self._waker.send(b"\0")

    def answer(self, head: Head, body: bytes) -> "Answer | Future[Answer]":
        """Status, content type and body that answer a request, or will be there later."""
        if head.path == "/models":
            if head.method == "GET":
                return 200, _JSON, json.dumps({"models": self._listed()}).encode()
            return self._load(body) if head.method == "POST" else _not_allowed()
        if head.path.startswith("/models/"):
            name, _, verb = head.path.removeprefix("/models/").partition("/")
            return self._answer_for(name, verb, head, body)
        if head.path == "/ping":
            return super().answer(head, body)
        return 404, _TEXT, b"not found"

    def _answer_for(self, name: str, verb: str, head: Head, body: bytes) -> Answer:
        predictor = self._models.predictor(name)
        if predictor is None:
            return 404, _TEXT, f"Model {name} is not loaded.".encode()
        if verb == "invoke":
            return self.invoke(predictor, head, body) if head.method == "POST" else _not_allowed()
        if verb:
            return 404, _TEXT, b"not found"
        if head.method == "GET":
            document = {"modelName": name, "modelUrl": self._models.urls()[name]}
            return 200, _JSON, json.dumps(document).encode()
        if head.method != "DELETE":
            return _not_allowed()
        del predictor
        self._models.unload(name)
        return 200, _JSON, json.dumps({"status": f"Model {name} unloaded"}).encode()

    def _listed(self) -> list[dict[str, str]]:
        return [{"modelName": name, "modelUrl": url} for name, url in self._models.urls().items()]

    def _load(self, body: bytes) -> "Answer | Future[Answer]":
        try:
            document = json.loads(body)
            name, url = str(document["model_name"]), str(document["url"])
        except (ValueError, TypeError, KeyError):
            return 400, _TEXT, b"The body must be a JSON object with model_name and url."
        if name in self._models or name in self._loading:
            return _CONFLICT, _TEXT, f"Model {name} is already loaded.".encode()
        self._loading.add(name)
        return self._loader.submit(self._loaded, name, url)

    def _loaded(self, name: str, url: str) -> Answer:
        try:
            self._models.load(name, url)
        except NoRoomError:
            return _NO_ROOM, _TEXT, f"There is no memory for model {name}.".encode()
        except LoadError as error:
            return 500, _TEXT, f"Model {name} cannot be loaded: {error}".encode()
        finally:
            self._loading.discard(name)
        return 200, _JSON, json.dumps({"status": f"Model {name} loaded"}).encode()

    def _call_back(self) -> None:
        self._wakened.recv(4096)
        while self._callbacks:
            self._callbacks.popleft()()


def _not_allowed() -> Answer:
    return 405, _TEXT, b"method not allowed"
