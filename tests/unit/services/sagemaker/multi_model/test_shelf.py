"""The models of an instance: loaded once, kept, given up for others; with a container of known
room."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.services.sagemaker.multi_model.conftest import Scene, play

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    Answer,
    FleetError,
    Instance,
    ServerLostError,
    ServerTimeoutError,
)
from sagebrush.services.sagemaker.hosting.multi_model import shelf as shelves
from sagebrush.services.sagemaker.hosting.multi_model import storage as storages
from sagebrush.services.sagemaker.hosting.multi_model.storage import name_of_model
from sagebrush.services.served import LoadRefusedError


def test_a_model_is_loaded_once(scene: Scene) -> None:
    scene.put("a")
    (instance,) = scene.variant().instances

    async def story() -> None:
        await asyncio.gather(*(scene.ask(instance, "a") for _ in range(20)))
        assert await scene.ask(instance, "/a") == name_of_model("a")

    before = scene.sums().get("ModelCacheHit", (0, 0.0))
    play(scene, story())
    (container,) = scene.containers
    assert container.calls == ["list", f"load {name_of_model('a')}"]
    hits = scene.sums()["ModelCacheHit"]
    assert (hits[0] - before[0], hits[1] - before[1]) == (21, 1.0)
    assert instance.engaged == 0


def test_the_least_recently_used_goes(scene: Scene) -> None:
    for name in "abcd":
        scene.put(name)
    (instance,) = scene.variant(room=3).instances

    async def story() -> None:
        for name in "abcabd":
            await scene.ask(instance, name)

    play(scene, story())
    (container,) = scene.containers
    assert sorted(container.loaded) == sorted(map(name_of_model, "abd"))
    assert container.count("unload") == 1


def test_a_model_in_use_stays(scene: Scene) -> None:
    for name in "ab":
        scene.put(name)
    (instance,) = scene.variant(room=1).instances

    async def story() -> None:
        async with scene.models.use(instance, "a"):
            waiting = asyncio.create_task(scene.ask(instance, "b"))
            while scene.containers[0].count("load") < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            assert not waiting.done()
            assert scene.containers[0].loaded == [name_of_model("a")]
        await waiting

    play(scene, story())
    assert scene.containers[0].loaded == [name_of_model("b")]


def test_many_models_in_little_room(scene: Scene) -> None:
    names = [str(number) for number in range(40)]
    for name in names:
        scene.put(name)
    (instance,) = scene.variant(room=3).instances

    async def story() -> None:
        await asyncio.gather(*(scene.ask(instance, name) for name in names * 2))

    play(scene, story())
    (container,) = scene.containers
    assert len(container.loaded) <= 3
    assert container.count("unload") >= 37


def test_overwriting_and_deleting_do_not_touch_what_was_fetched(scene: Scene) -> None:
    scene.put("a", "old")
    scene.put("b")
    (instance,) = scene.variant(room=1).instances
    path = scene.folder / "0" / "models" / name_of_model("a") / "model" / "model"

    async def ask(*names: str) -> None:
        for name in names:
            await scene.ask(instance, name)

    play(scene, ask("a"))
    scene.put("a", "new")
    # Unloaded, it stays on the instance's storage.
    play(scene, ask("b", "a"))
    assert path.read_text() == "old"


def test_the_storage_volume_is_bounded(scene: Scene) -> None:
    for name in "abc":
        scene.put(name, "", size=600_000_000 // 1000)
    (instance,) = scene.variant(room=1).instances
    shelf = scene.models._shelf(instance)
    shelf._storage._limit_bytes = 1_300_000

    async def story() -> None:
        for name in "abc":
            await scene.ask(instance, name)

    play(scene, story())
    kept = {path.name for path in (scene.folder / "0" / "models").iterdir()}
    assert kept == {name_of_model("b"), name_of_model("c")}


def refusal(scene: Scene, instance: Instance, name: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        play(scene, scene.ask(instance, name))
    return caught.value


def test_what_is_not_there_or_no_archive(scene: Scene) -> None:
    (instance,) = scene.variant().instances
    error = refusal(scene, instance, "none")
    assert (error.code, error.message) == (
        "ValidationError",
        (
            f"Failed to download model data(bucket: {scene.bucket}, key: models/none). Please"
            " ensure that there is an object located at the URL and that the role passed to"
            " CreateModel has permissions to download the model."
        ),
    )
    scene.server.put(scene.bucket, "models/bad", "no archive")
    assert refusal(scene, instance, "bad").code == "ValidationError"
    scene.put("bad")
    play(scene, scene.ask(instance, "bad"))


def test_a_model_that_the_container_refuses(scene: Scene) -> None:
    scene.put("a")
    (instance,) = scene.variant().instances
    container = scene.containers[0]
    container.refuses[name_of_model("a")] = Answer(500, {}, b"it is bad")
    with pytest.raises(LoadRefusedError) as caught:
        play(scene, scene.ask(instance, "a"))
    assert caught.value.answer.status == 500
    container.refuses.clear()
    play(scene, scene.ask(instance, "a"))


def test_a_model_larger_than_all_the_room(scene: Scene) -> None:
    scene.put("a")
    (instance,) = scene.variant(room=0).instances
    with pytest.raises(LoadRefusedError) as caught:
        play(scene, scene.ask(instance, "a"))
    assert caught.value.answer.status == 507


@pytest.mark.parametrize("error", [ServerLostError("gone"), ServerTimeoutError("slow")])
def test_no_answer_is_passed_on(scene: Scene, error: FleetError) -> None:
    scene.put("a")
    (instance,) = scene.variant().instances
    scene.containers[0].refuses[name_of_model("a")] = error
    with pytest.raises(type(error)):
        play(scene, scene.ask(instance, "a"))


def test_a_slow_load_goes_on_after_the_request_gave_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "WAIT_S", 0.02)
    scene.put("a")
    (instance,) = scene.variant().instances
    (container,) = scene.containers

    async def story() -> None:
        done = asyncio.Event()
        container.gate = done.wait  # type: ignore[assignment]
        for _ in range(2):
            with pytest.raises(ApiError) as caught:
                await scene.ask(instance, "a")
            assert caught.value.code == "ModelNotReadyException"
        done.set()
        while not container.loaded:
            await asyncio.sleep(0.001)
        await scene.ask(instance, "a")

    play(scene, story())
    assert container.count("load") == 1


def test_a_replaced_process_loads_again(scene: Scene) -> None:
    for name in "ab":
        scene.put(name)
    (instance,) = scene.variant().instances
    (container,) = scene.containers

    async def story() -> None:
        await scene.ask(instance, "a")
        container.die()
        await scene.ask(instance, "a")
        await scene.ask(instance, "b")

    play(scene, story())
    assert container.count("list") == 2
    assert sorted(container.loaded) == sorted(map(name_of_model, "ab"))


def test_an_adopted_process_keeps_its_models(scene: Scene) -> None:
    for name in "abc":
        scene.put(name)
    (instance,) = scene.variant().instances
    (container,) = scene.containers
    container.page = 1

    async def ask(names: str) -> None:
        for name in names:
            await scene.ask(instance, name)

    play(scene, ask("abc"))
    calls = len(container.calls)
    # Another server finds the process, with what it has loaded, page by page.
    variant = scene.variant()
    scene.containers[-1] = container
    variant.instances[0].servers[""] = container  # type: ignore[assignment]
    variant.instances[0].sole = container  # type: ignore[assignment]
    instance = variant.instances[0]
    container.room = 3
    scene.put("d")
    play(scene, ask("abcd"))
    assert container.calls[calls:][:3] == ["list"] * 3
    assert container.count("load") == 5  # three, and d twice: one of the others had to go
    assert len(container.loaded) == 3


def test_what_a_killed_server_left_half_fetched_is_fetched_again(scene: Scene) -> None:
    scene.put("a", "whole")
    (instance,) = scene.variant().instances
    folder = scene.folder / "0" / "models" / name_of_model("a")
    (folder / "model.part").mkdir(parents=True)
    (folder / "model.part" / "model").write_text("ha")
    (folder / "model.part.tar.gz").write_bytes(b"ha")
    play(scene, scene.ask(instance, "a"))
    assert (folder / "model" / "model").read_text() == "whole"
    assert [path.name for path in folder.iterdir()] == ["model"]


def test_a_disk_that_is_full_gets_room(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        scene.put(name)
    (instance,) = scene.variant(room=1).instances
    real = storages.lay_out_model
    refusals = [OSError(28, "No space left on device")]

    async def lay_out(platform: Any, container: dict[str, Any], destination: Path) -> None:
        if refusals and destination.parent.name == name_of_model("c"):
            raise refusals.pop()
        await real(platform, container, destination)

    monkeypatch.setattr(storages, "lay_out_model", lay_out)

    async def story() -> None:
        for name in "abc":
            await scene.ask(instance, name)

    scene.put("c")
    play(scene, story())
    kept = {path.name for path in (scene.folder / "0" / "models").iterdir()}
    # The one that was loaded then has stayed.
    assert kept == {name_of_model("b"), name_of_model("c")}


def test_a_process_that_dies_over_a_load_loads_again(scene: Scene) -> None:
    scene.put("a")
    (instance,) = scene.variant().instances
    (container,) = scene.containers
    container.refuses[name_of_model("a")] = ServerLostError("gone")

    async def story() -> None:
        with pytest.raises(ServerLostError):
            await scene.ask(instance, "a")
        container.die()
        container.refuses.clear()
        await scene.ask(instance, "a")

    play(scene, story())
    assert container.loaded == [name_of_model("a")]


def test_without_a_cache_a_model_goes_after_use(scene: Scene) -> None:
    scene.put("a", "old")
    setting = {"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}
    (instance,) = scene.variant(**setting).instances
    (container,) = scene.containers
    folder = scene.folder / "0" / "models" / name_of_model("a")

    async def story() -> None:
        await asyncio.gather(scene.ask(instance, "a"), scene.ask(instance, "a"))
        while container.loaded or folder.exists():
            await asyncio.sleep(0.001)

    play(scene, story())
    play(scene, story())
    assert container.count("load") == container.count("unload")


def test_a_model_stays_on_its_instance_and_spreads_under_load(scene: Scene) -> None:
    for name in "ab":
        scene.put(name)
    variant = scene.variant(instances=3)
    one, two, three = variant.instances
    play(scene, scene.ask(two, "a"))
    for routed in (one, two, three):
        assert scene.models.choose(variant, routed, "a") is two
        assert scene.models.choose(variant, routed, "b") is routed
    two.engaged = 2  # as many as ml.m5.large has processors
    assert scene.models.choose(variant, one, "a") is one
    one.engaged = 3
    assert scene.models.choose(variant, one, "a") is two
    scene.containers[1].healthy = False
    assert scene.models.choose(variant, three, "a") is three


def test_a_count_is_told_for_each_minute(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, float]] = []
    platform, now = scene.server.platform, [60_000.0]
    monkeypatch.setattr(platform.clock, "now", lambda: now[0])
    monkeypatch.setattr(
        platform.metrics,
        "put",
        lambda *place: told.extend((int(d.timestamp // 60) - 1000, d.value) for d in place[3]),
    )
    for name in "ab":
        scene.put(name)
    (instance,) = scene.variant(room=1).instances
    (container,) = scene.containers

    async def story() -> None:
        scene.models.tell_count(instance)
        assert told == []  # it is not known yet
        while not told:
            await asyncio.sleep(0)
        now[0] += 119  # into minute 1
        await scene.ask(instance, "a")
        now[0] += 62  # into minute 3
        scene.models.tell_count(instance)
        container.healthy = False
        now[0] += 120
        scene.models.tell_count(instance)
        container.healthy = True
        now[0] += 60
        scene.models.tell_count(instance)
        scene.models.tell_count(instance)

    play(scene, story())
    assert told == [(0, 0), (1, 0), (2, 1), (3, 1), (6, 1)]
