"""Kills in the middle: of the server, of the model server, and what is left on the disk after."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.transform.conftest import Transforms

from sagebrush.launch import PrivateServer

FILES = 12
LINES = 300


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill."""
    with PrivateServer(tmp_path_factory.mktemp("crashing")) as server:
        yield server


@pytest.fixture
def scene(crashing: PrivateServer, tmp_path: Path) -> Transforms:
    """A job of many requests under way."""
    scene = Transforms(crashing, tmp_path)
    scene.model("model", scene.kmeans((0.0, 0.0), (10.0, 10.0)))
    for number in range(FILES):
        rows = "".join(f"{row % 20},{number}\n" for row in range(LINES))
        scene.upload(f"in/{number:02}.csv", rows.encode())
    return scene


def begin(scene: Transforms, *, done: int) -> Path:
    """Create a job and return its folder once so many files are done."""
    scene.create("job", "model", "in/", "application/jsonlines", BatchStrategy="SingleRecord")
    transform = scene.server.data / "transform"
    until(lambda: transform.is_dir() and any(transform.iterdir()))
    (folder,) = transform.iterdir()
    until(lambda: sum(path.suffix == "" for path in folder.glob("output/*")) >= done)
    return folder


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def kill(server: PrivateServer) -> None:
    assert server._process is not None
    server._process.kill()
    server._process.wait()


def model_server_pid(folder: Path) -> int:
    """Return the process of the newest model server; 0 where none has started yet."""
    newest = max(folder.glob("s0/*/shim.json"), key=lambda path: int(path.parent.name))
    members: dict[str, int] = json.loads(newest.read_text()).get("members", {})
    return members.get("server", 0)


def expect_all(scene: Transforms) -> None:
    job = scene.end("job")
    assert job["TransformJobStatus"] == "Completed", job
    outputs = scene.outputs("job")
    assert set(outputs) == {f"{number:02}.csv.out" for number in range(FILES)}
    assert {body.count(b"\n") for body in outputs.values()} == {LINES}
    transform = scene.server.data / "transform"
    until(lambda: not any(transform.iterdir()))


def test_the_server_dies_and_files_that_were_done_are_not_done_again(scene: Transforms) -> None:
    folder = begin(scene, done=4)
    kill(scene.server)
    done = {path.name: path.stat().st_ino for path in folder.glob("output/*") if not path.suffix}
    assert 4 <= len(done) < FILES, "killed too late to tell"
    pid = model_server_pid(folder)
    scene.server.start()
    seen: dict[str, int] = {}

    def over() -> bool:
        now = {p.name: p.stat().st_ino for p in folder.glob("output/*") if not p.suffix}
        seen.update({name: now[name] for name in done if name in now})
        return len(now) > len(done) + 1 or not folder.exists()

    until(over)
    # The row of the last one may not have been written any more; all others stay as they are.
    assert len([name for name in done if seen.get(name) == done[name]]) >= len(done) - 1
    if folder.exists():
        assert model_server_pid(folder) == pid, "the model server is taken over"
    expect_all(scene)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2])
def test_the_server_may_die_at_any_time(scene: Transforms, after_s: float) -> None:
    scene.create("job", "model", "in/", "application/jsonlines")
    time.sleep(after_s)
    kill(scene.server)
    scene.server.start()
    expect_all(scene)


def test_the_model_server_dies(scene: Transforms) -> None:
    folder = begin(scene, done=2)
    first = model_server_pid(folder)
    os.kill(first, signal.SIGKILL)
    until(lambda: model_server_pid(folder) not in (0, first))
    os.kill(model_server_pid(folder), signal.SIGKILL)
    expect_all(scene)


def test_a_job_that_is_told_to_stop_while_the_server_dies_stops(scene: Transforms) -> None:
    begin(scene, done=1)
    scene.sagemaker.stop_transform_job(TransformJobName="job")
    kill(scene.server)
    scene.server.start()
    assert scene.end("job")["TransformJobStatus"] == "Stopped"
    assert scene.outputs("job") == {}
    transform = scene.server.data / "transform"
    until(lambda: not any(transform.iterdir()))
