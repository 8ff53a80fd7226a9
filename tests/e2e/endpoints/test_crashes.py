"""kill -9 of the server between the steps of an endpoint's life: nothing promised is lost, and
nothing runs on that no endpoint needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.launch import PrivateServer

OLD = {"VariantName": "old", "ModelName": "one", "InitialInstanceCount": 2}
NEW = {"VariantName": "new", "ModelName": "two"}
# Seconds between a request and the kill: during extraction, forking, pings, retiring, afterwards.
MOMENTS_S = (0.0, 0.015, 0.04, 0.08, 0.15, 0.3)
LIMIT_S = 40.0


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill."""
    with PrivateServer(tmp_path_factory.mktemp("crashing")) as server:
        yield server


@pytest.fixture
def scene(crashing: PrivateServer, tmp_path: Path) -> Iterator[Any]:
    from tests.e2e.endpoints.conftest import Hosting

    scene = Hosting(crashing, tmp_path)
    scene.model("one", scene.kmeans((1.0, 0.0)))
    scene.model("two", scene.kmeans((2.0, 0.0)))
    yield scene
    for endpoint in scene.sagemaker.list_endpoints()["Endpoints"]:
        scene.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        scene.gone(endpoint["EndpointName"])


def crash(server: PrivateServer, after_s: float) -> None:
    time.sleep(after_s)
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()


def until(condition: Callable[[], bool], what: Callable[[], Any]) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up, what()
        time.sleep(0.02)


def running(server: PrivateServer) -> list[Path]:
    """Return the directories whose process lives."""
    found = []
    for shim in server.data.glob("fleets/*/*/shim.json"):
        pid = shim.read_text().partition('"pid":')[2].partition(",")[0].strip()
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.append(shim.parent)
    return found


def expect(scene: Any, servers: int, models: int) -> None:
    """Wait until so many model servers and extracted models are left."""
    data: Path = scene.server.data
    until(lambda: len(running(scene.server)) == servers, lambda: running(scene.server))
    folder = data / "endpoints"
    until(lambda: len(list(folder.iterdir())) == models, lambda: list(folder.iterdir()))
    until(
        lambda: len(list((data / "fleets").iterdir())) == servers,
        lambda: list((data / "fleets").iterdir()),
    )


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_while_it_is_created(scene: Any, moment_s: float) -> None:
    scene.config("one", OLD)
    scene.sagemaker.create_endpoint(EndpointName="crash", EndpointConfigName="one")
    crash(scene.server, moment_s)
    scene.settled("crash")
    assert scene.distance("crash") == (1.0, "old")
    expect(scene, servers=2, models=1)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_while_it_is_updated(scene: Any, moment_s: float) -> None:
    scene.endpoint("crash", OLD)
    scene.config("two", NEW)
    scene.sagemaker.update_endpoint(EndpointName="crash", EndpointConfigName="two")
    crash(scene.server, moment_s)
    # Whoever asks early is answered by the old servers or the new ones.
    assert scene.distance("crash") in ((1.0, "old"), (2.0, "new"))
    assert scene.settled("crash")["EndpointConfigName"] == "two"
    assert scene.distance("crash") == (2.0, "new")
    expect(scene, servers=1, models=1)


@pytest.mark.parametrize("moment_s", MOMENTS_S)
def test_while_it_is_deleted(scene: Any, moment_s: float) -> None:
    scene.endpoint("crash", OLD)
    scene.sagemaker.delete_endpoint(EndpointName="crash")
    crash(scene.server, moment_s)
    scene.gone("crash")
    with pytest.raises(ClientError, match="not found"):
        scene.distance("crash")
    expect(scene, servers=0, models=0)
