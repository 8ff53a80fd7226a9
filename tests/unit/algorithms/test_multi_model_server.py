"""The interface of a multi-model container over real sockets, and what models may take."""

import contextlib
import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms import loaded_models
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.loaded_models import (
    LoadedModels,
    LoadError,
    NoRoomError,
    budget_of,
    resident_bytes,
)
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.multi_model_server import MultiModelServer

MIB = 1 << 20


class Echo:
    """Answers with its name; takes as much memory as its file says."""

    def __init__(self, name: str, size_bytes: int) -> None:
        self.name = name
        self.memory = np.ones(size_bytes, np.uint8)

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The name, what was asked, and what was accepted."""
        return f"{self.name} {body.decode()} {content_type} {accept}".encode(), "text/plain"


def load(folder: Path, environment: Mapping[str, str]) -> Echo:
    """Load an `Echo`; the environment may name an event to wait for."""
    words = (folder / "model").read_text()
    if words == "bad":
        raise ClientError("it is bad")
    if words == "defect":
        raise RuntimeError("a defect")
    if words == "slow":
        STARTED.set()
        RELEASE.wait(20)
    return Echo(folder.parent.name, int(words) if words.isdigit() else 1)


STARTED = threading.Event()
RELEASE = threading.Event()


def put(folder: Path, name: str, words: str = "1") -> str:
    (folder / name / "model").mkdir(parents=True)
    (folder / name / "model" / "model").write_text(words)
    return f"/opt/ml/models/{name}/model"


class Client:
    """Asks a server over its socket."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Return status and body."""
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(str(self.path))
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def load(self, name: str, words: str = "1") -> int:
        """Return the status of loading a new model."""
        return self.load_again(name, put(self.folder, name, words))

    def load_again(self, name: str, url: str) -> int:
        """Return the status of loading a model."""
        document = {"model_name": name, "url": url}
        return self.ask("POST", "/models", json.dumps(document).encode())[0]

    def names(self) -> list[str]:
        """Return the names of the loaded models."""
        status, body = self.ask("GET", "/models")
        assert status == 200
        models = json.loads(body)["models"]
        assert all(
            each["modelUrl"] == f"/opt/ml/models/{each['modelName']}/model" for each in models
        )
        return [each["modelName"] for each in models]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    models = tmp_path / "models"
    models.mkdir()
    STARTED.clear()
    RELEASE.clear()
    listener = socket.socket(socket.AF_UNIX)
    path = tmp_path / "s"
    listener.bind(str(path))
    listener.listen()
    server = MultiModelServer(
        listener, LoadedModels(load, {}, models, Log()), Log(), "text/default"
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    yield Client(path, models)
    RELEASE.set()
    server._stopping = True
    with contextlib.suppress(OSError):
        Client(path, models).ask("GET", "/ping")
    thread.join(20)
    assert not thread.is_alive()


def test_a_models_life(client: Client) -> None:
    assert client.ask("GET", "/ping") == (200, b"")
    assert client.names() == []
    assert client.load("a") == 200
    assert client.load("b") == 200
    assert sorted(client.names()) == ["a", "b"]
    status, body = client.ask("GET", "/models/a")
    assert (status, json.loads(body)) == (
        200,
        {"modelName": "a", "modelUrl": "/opt/ml/models/a/model"},
    )
    answer = client.ask("POST", "/models/a/invoke", b"x", **{"Content-Type": "t/c"})
    assert answer == (200, b"a x t/c text/default")
    answer = client.ask("POST", "/models/b/invoke", b"y", Accept="t/a")
    assert answer == (200, b"b y  t/a")
    assert client.load_again("a", "/opt/ml/models/a/model") == 409
    assert client.ask("DELETE", "/models/a")[0] == 200
    assert client.names() == ["b"]
    assert client.load_again("a", "/opt/ml/models/a/model") == 200


def test_what_is_not_loaded(client: Client) -> None:
    for method, path in [
        ("GET", "/models/x"),
        ("DELETE", "/models/x"),
        ("POST", "/models/x/invoke"),
        ("POST", "/invocations"),
        ("GET", "/execution-parameters"),
    ]:
        assert client.ask(method, path)[0] == 404, path


def test_wrong_methods_and_bodies(client: Client) -> None:
    client.load("a")
    for method, path in [
        ("DELETE", "/models"),
        ("POST", "/models/a"),
        ("GET", "/models/a/invoke"),
    ]:
        assert client.ask(method, path)[0] == 405, path
    assert client.ask("POST", "/models/a/other")[0] == 404
    for body in (b"", b"[]", b'{"model_name": "b"}', b"\xff"):
        assert client.ask("POST", "/models", body)[0] == 400


@pytest.mark.parametrize("words", ["bad", "defect"])
def test_a_model_that_cannot_be_loaded(client: Client, words: str) -> None:
    assert client.load("a", words) == 500
    assert client.names() == []


@pytest.mark.parametrize("url", ["/opt/ml/models/none/model", "/etc", "/opt/ml/models/../model"])
def test_a_url_outside_of_the_folder(client: Client, url: str) -> None:
    assert client.load_again("a", url) == 500


def test_others_are_answered_while_a_model_is_loaded(client: Client) -> None:
    client.load("a")
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(client.load("slow", "slow")))
    thread.start()
    assert STARTED.wait(20)
    assert client.load_again("slow", "/opt/ml/models/slow/model") == 409
    assert client.ask("POST", "/models/a/invoke", b"x")[0] == 200
    assert client.names() == ["a"]
    RELEASE.set()
    thread.join(20)
    assert statuses == [200]
    assert sorted(client.names()) == ["a", "slow"]


@pytest.fixture
def shelf(tmp_path: Path) -> Callable[..., LoadedModels]:
    def make(**limits: int) -> LoadedModels:
        return LoadedModels(load, {}, tmp_path, Log(), **limits)

    return make


def test_memory_is_bounded_and_comes_back(
    shelf: Callable[..., LoadedModels], tmp_path: Path
) -> None:
    models = shelf(budget_bytes=40 * MIB)
    base = resident_bytes()
    loaded = []
    for number in range(30):
        url = put(tmp_path, str(number), str(10 * MIB))
        while True:
            try:
                models.load(str(number), url)
            except NoRoomError:
                assert models.unload(loaded.pop(0))
                continue
            loaded.append(str(number))
            break
        assert resident_bytes() - base < 60 * MIB
    assert 2 <= len(loaded) <= 4
    assert sorted(models.urls()) == sorted(loaded)


def test_the_first_model_gets_its_chance(
    shelf: Callable[..., LoadedModels], tmp_path: Path
) -> None:
    models = shelf(budget_bytes=1)
    models.load("a", put(tmp_path, "a", str(4 * MIB)))
    with pytest.raises(NoRoomError):
        models.load("b", put(tmp_path, "b", str(4 * MIB)))
    assert not models.unload("b")
    assert models.unload("a")
    models.load("b", "/opt/ml/models/b/model")


def test_no_memory_at_all_is_no_room(
    shelf: Callable[..., LoadedModels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any) -> Any:
        raise MemoryError

    models = shelf()
    monkeypatch.setattr(models, "_load", exhausted)
    with pytest.raises(NoRoomError):
        models.load("a", put(tmp_path, "a"))


def test_a_budget_follows_from_the_limit(shelf: Callable[..., LoadedModels]) -> None:
    limit = resident_bytes() * 3
    models = shelf(limit_bytes=limit)
    assert models._budget_bytes is not None
    assert 0.4 * limit < models._budget_bytes < 0.7 * limit
    assert shelf()._budget_bytes is None
    assert budget_of({"SAGEBRUSH_MODEL_MEMORY_MB": "7"}) == 7 * MIB
    assert budget_of({}) is None


def test_what_a_model_refuses_is_told(shelf: Callable[..., LoadedModels], tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="it is bad"):
        shelf().load("a", put(tmp_path, "a", "bad"))


def test_resident_memory_is_that_of_this_process() -> None:
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    assert resident_bytes() == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.1)
    assert loaded_models.MODELS_ROOT.as_posix() == "/opt/ml/models"
