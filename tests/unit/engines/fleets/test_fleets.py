"""Fleets: deployed whole or not at all, swapped without losing a request, retired."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engines.fleets.conftest import (
    ANSWER,
    INVOKE,
    Scene,
    answering,
    play,
    spec_of,
    until,
)

from sagebrush.engines.fleets import (
    Attempt,
    Fleets,
    NoSuchFleetError,
    NoSuchInstanceError,
    NoSuchVariantError,
    NotReadyError,
    Place,
    ServerLostError,
    StartError,
    VariantPlan,
)
from sagebrush.engines.fleets import fleets as module
from sagebrush.engines.fleets.errors import NobodyListensError


def test_requests_go_to_what_is_published(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        with pytest.raises(NoSuchFleetError):
            await scene.invoke()
        await scene.deploy("one", ("a", 1), ("b", 2), publish=False)
        with pytest.raises(NoSuchFleetError):
            await scene.invoke()
        scene.fleets.publish("address", "one")
        assert await scene.invoke("b") == (b"ok", "b")
        with pytest.raises(NoSuchVariantError):
            await scene.invoke("c")
        assert {await scene.invoke() for _ in range(6)} == {(b"ok", "a"), (b"ok", "b")}
        scene.fleets.withdraw("address")
        with pytest.raises(NoSuchFleetError):
            await scene.invoke()

    play(story())


def test_a_fleet_is_there_whole_or_not_at_all(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        start = scene.supervisor.start

        async def second_fails(spec: Any) -> Any:
            scene.supervisor.stillborn = 9 if len(scene.supervisor.processes) else 0
            return await start(spec)

        scene.supervisor.start = second_fails  # type: ignore[method-assign]
        with pytest.raises(StartError) as caught:
            await scene.deploy("one", ("a", 1), ("b", 1))
        assert caught.value.variant is not None
        assert caught.value.variant.name in ("a", "b")
        assert not scene.supervisor.alive
        assert not list((folder / "fleets").iterdir())

    play(story())


def test_a_deployment_that_is_given_up_leaves_nothing(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = None
        deploying = asyncio.create_task(scene.deploy("one", ("a", 2)))
        await until(lambda: len(scene.supervisor.alive) == 2)
        deploying.cancel()
        await asyncio.wait([deploying])
        assert not scene.supervisor.alive
        assert not list((folder / "fleets").iterdir())

    play(story())


def test_requests_wait_for_a_fleet_that_is_coming_up(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        scene.fleets.publish("address", "one")
        asking = asyncio.create_task(scene.invoke())
        await asyncio.sleep(0.02)
        assert not asking.done()
        await scene.deploy("one", ("a", 1))
        assert await asking == (b"ok", "a")

    play(story())


def test_waiting_has_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RESTART_PATIENCE_S", 0.03)

    async def story() -> None:
        scene = Scene(folder)
        scene.fleets.publish("address", "one")
        with pytest.raises(NotReadyError):
            await scene.invoke()

    play(story())


def test_a_swap_under_load_loses_nothing_and_the_old_fleet_drains(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        release = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/ping" not in head:
                    await reader.readexactly(1)
                    await release.wait()
                writer.write(ANSWER.replace(b"ok", b"v1"))

        scene.supervisor.converse = slow
        await scene.deploy("one", ("a", 1))
        early = [asyncio.create_task(scene.invoke()) for _ in range(5)]
        await until(lambda: scene.fleets.router("one").variants[0].instances[0].outstanding == 5)
        scene.supervisor.converse = answering(b"v2")
        await scene.deploy("two", ("b", 1))
        retiring = asyncio.create_task(scene.fleets.retire("one", [Place("one", "a", 0)]))
        assert [await scene.invoke() for _ in range(3)] == [(b"v2", "b")] * 3
        assert len(scene.supervisor.alive) == 2
        release.set()
        assert await asyncio.gather(*early) == [(b"v1", "a")] * 5
        await retiring
        assert len(scene.supervisor.alive) == 1

    play(story())


def test_a_request_that_found_its_fleet_gone_is_led_to_the_next(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        scene.fleets.router("one").variants[0].instances[0].sole.healthy = False
        asking = asyncio.create_task(scene.invoke())
        await asyncio.sleep(0.02)
        await scene.deploy("two", ("b", 1))
        assert await asking == (b"ok", "b")

    play(story())


def test_retiring_ends_what_was_never_taken_over(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 2))
        # Another server on the same folder, as after kill -9.
        heir = Fleets(scene.supervisor, folder / "fleets")  # type: ignore[arg-type]
        await heir.retire("one", [Place("one", "a", 0), Place("one", "a", 1)])
        assert not scene.supervisor.alive
        assert not list((folder / "fleets").iterdir())

    play(story())


def test_an_heir_takes_the_processes_over(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 2))
        processes = scene.supervisor.alive
        scene.fleets = Fleets(scene.supervisor, folder / "fleets")  # type: ignore[arg-type]
        await scene.deploy("one", ("a", 2))
        assert scene.supervisor.alive == processes
        assert await scene.invoke() == (b"ok", "a")

    play(story())


def test_leftovers_are_what_nobody_keeps(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("kept", ("a", 1))
        await scene.deploy("left", ("a", 1), ("b", 2))
        heir = Fleets(scene.supervisor, folder / "fleets")  # type: ignore[arg-type]
        leftovers = heir.leftovers([Place("kept", "a", 0)])
        assert len(leftovers) == 3
        await heir.end_leftovers(leftovers)
        assert len(scene.supervisor.alive) == 1
        assert heir.leftovers([Place("kept", "a", 0)]) == []

    play(story())


def test_a_retired_fleet_is_forgotten(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        await scene.fleets.retire("one", [Place("one", "a", 0)])
        ended = len(scene.observed.ended)
        await scene.fleets.stop_all(2.0)
        assert len(scene.observed.ended) == ended

    play(story())


def test_stopping_all_ends_those_that_are_not_healthy_yet_too(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        scene.supervisor.converse = None
        deploying = asyncio.create_task(scene.deploy("two", ("a", 1)))
        await until(lambda: len(scene.supervisor.alive) == 2)
        deploying.cancel()
        await asyncio.wait([deploying])
        await scene.fleets.stop_all(2.0)
        assert not scene.supervisor.alive
        with pytest.raises(NotReadyError):
            scene.fleets.choose("address")

    play(story())


def test_a_variant_grows_and_shrinks_in_place(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        (first,) = scene.supervisor.alive
        await scene.fleets.scale("one", "a", 3)
        assert len(scene.supervisor.alive) == 3
        assert {scene.fleets.choose("address")[1].ordinal for _ in range(6)} == {0, 1, 2}
        await scene.fleets.scale("one", "a", 1)
        assert scene.supervisor.alive == [first]
        await scene.fleets.scale("one", "a", 0)
        with pytest.raises(NotReadyError):
            scene.fleets.choose("address")
        await scene.fleets.scale("one", "a", 1)
        assert await scene.invoke() == (b"ok", "a")
        with pytest.raises(NoSuchVariantError):
            await scene.fleets.scale("one", "b", 1)
        with pytest.raises(NotReadyError):
            await scene.fleets.scale("two", "a", 1)

    play(story())


def test_an_instance_that_goes_answers_what_it_was_sent(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        release = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/ping" not in head:
                    await reader.readexactly(1)
                    await release.wait()
                writer.write(ANSWER)

        scene.supervisor.converse = slow
        await scene.deploy("one", ("a", 2))
        asking = [asyncio.create_task(scene.invoke()) for _ in range(4)]
        instances = scene.fleets.router("one").variants[0].instances
        await until(lambda: [each.outstanding for each in instances] == [2, 2])
        scaling = asyncio.create_task(scene.fleets.scale("one", "a", 1))
        await until(lambda: len(scene.fleets.router("one").variants[0].instances) == 1)
        assert len(scene.supervisor.alive) == 2
        release.set()
        assert await asyncio.gather(*asking) == [(b"ok", "a")] * 4
        await scaling
        assert len(scene.supervisor.alive) == 1

    play(story())


def test_instances_that_do_not_come_up_leave_the_variant_as_it_was(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        scene.supervisor.stillborn = 9
        with pytest.raises(StartError):
            await scene.fleets.scale("one", "a", 2)
        assert len(scene.supervisor.alive) == 1
        assert len(list((folder / "fleets").iterdir())) == 1
        assert await scene.invoke() == (b"ok", "a")

    play(story())


def test_an_address_shared_by_two_fleets_keeps_their_shares(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("blue", ("a", 1), ("old", 1))
        await scene.deploy("green", ("b", 1), publish=False)
        scene.fleets.publish("address", "blue", "green", shares=(9, 1))
        seen = [(await scene.invoke())[1] for _ in range(100)]
        assert abs(seen.count("b") - 10) <= 2
        scene.fleets.publish("address", "blue", "green", shares=(0, 1))
        assert {(await scene.invoke())[1] for _ in range(5)} == {"b"}
        # A variant that is asked for by name is found in either.
        assert (await scene.invoke("old"))[1] == "old"
        with pytest.raises(NoSuchVariantError):
            await scene.invoke("none")

    play(story())


def test_containers_of_an_instance_have_a_server_each(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        plan = VariantPlan("a", 1.0, 2, {"first": spec_of, "second": spec_of}, 5.0)
        await scene.fleets.deploy("one", [plan], scene.observed)
        scene.fleets.publish("address", "one")
        assert len(scene.supervisor.alive) == 4
        _, instance = scene.fleets.choose("address")
        assert list(instance.servers) == ["first", "second"]
        assert instance.sole is instance.servers["first"]
        answer = await instance.servers["second"].request(INVOKE, 5.0)
        assert answer.body == b"ok"
        instance.servers["second"].healthy = False
        assert not instance.healthy
        places = [
            Place("one", "a", number, name) for number in range(2) for name in ("first", "second")
        ]
        await scene.fleets.retire("one", places)
        assert not scene.supervisor.alive
        assert not list((folder / "fleets").iterdir())

    play(story())


def test_all_containers_that_do_not_start_are_named(folder: Path) -> None:
    def broken(directory: Path) -> Any:
        raise OSError("the disk is full")

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.stillborn = 100
        names = ("first", "second", "third")
        plan = VariantPlan("a", 1.0, 1, dict.fromkeys(names, spec_of), 5.0)
        with pytest.raises(StartError) as caught:
            await scene.fleets.deploy("one", [plan], scene.observed)
        assert caught.value.containers == names
        assert caught.value.container == "first"
        assert caught.value.variant is not None
        # What is not the container's doing comes first.
        scene.supervisor.stillborn = 3
        plan = VariantPlan("a", 1.0, 1, {"first": spec_of, "second": broken}, 5.0)
        with pytest.raises(OSError, match="the disk is full"):
            await scene.fleets.deploy("one", [plan], scene.observed)

    play(story())


def test_a_request_for_one_instance_goes_there_or_nowhere(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 3))
        wanted = scene.fleets.router("one").variants[0].instances[2]
        asked: list[Any] = []

        async def ask(_: Any, instance: Any) -> None:
            asked.append(instance)

        for _ in range(4):
            await scene.fleets.invoke("address", ask, instance_key=wanted.key)
        assert asked == [wanted] * 4
        await scene.fleets.scale("one", "a", 2)
        with pytest.raises(NoSuchInstanceError):
            await scene.fleets.invoke("address", ask, instance_key=wanted.key)

    play(story())


def test_an_attempt_that_has_begun_is_the_first(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1), ("b", 2))
        variant = scene.fleets.router("one").variants[1]
        asked: list[Any] = []

        async def ask(given: Any, instance: Any) -> str:
            asked.append((given, instance))
            return "answer"

        for instance in [*variant.instances, *variant.instances]:
            first = Attempt(variant, instance, time.monotonic())
            assert await scene.fleets.invoke("address", ask, first=first) == ("answer", variant)
            assert asked[-1] == (variant, instance)
        assert len(asked) == 4

    play(story())


@pytest.mark.parametrize(
    ("error", "ago_s", "times"),
    [
        (ServerLostError, 0.0, 2),
        (NobodyListensError, 1.0, 2),
        # The process may have been gone before it was asked.
        (NobodyListensError, 0.0, 3),
    ],
)
def test_a_death_over_an_attempt_that_had_begun_counts(
    folder: Path, error: type[ServerLostError], ago_s: float, times: int
) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        (variant,) = scene.fleets.router("one").variants
        asked: list[Any] = []

        async def ask(_: Any, instance: Any) -> None:
            asked.append(instance)
            raise error("gone") if len(asked) == 1 else ServerLostError("gone again")

        first = Attempt(variant, variant.instances[0], time.monotonic() - ago_s)
        with pytest.raises(ServerLostError) as caught:
            await scene.fleets.invoke("address", ask, first=first)
        assert caught.value.variant is variant
        assert len(asked) == times

    play(story())


def test_an_attempt_that_was_lost_is_followed_by_whoever_is_chosen(folder: Path) -> None:
    async def story() -> None:
        scene = Scene(folder)
        await scene.deploy("one", ("a", 1))
        (old,) = scene.fleets.router("one").variants
        await scene.deploy("two", ("b", 1))
        scene.fleets.publish("address", "two")

        async def ask(variant: Any, _: Any) -> str:
            if variant is old:
                raise ServerLostError("gone")
            return "answer"

        first = Attempt(old, old.instances[0], time.monotonic())
        answer, variant = await scene.fleets.invoke("address", ask, first=first)
        assert (answer, variant.name) == ("answer", "b")

    play(story())
