"""Actions: once for each change, not lost with the server, failures told in the history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.alarms import ActionError, AlarmAction, engine

from .conftest import ACCOUNT, REGION, TOPIC, World

Play = Callable[[Callable[[], Any]], None]
# Alarms that act on every change and keep whatever state they are given.
KEEP: dict[str, Any] = {"TreatMissingData": "ignore"}
ALL = KEEP | {"AlarmActions": [TOPIC], "OKActions": [TOPIC], "InsufficientDataActions": [TOPIC]}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_SETTLING_S", 0.0)


def outcomes(world: World) -> list[tuple[str, dict[str, Any]]]:
    """Return what the history says of the alarm's actions."""
    return [(item.summary, json.loads(item.data)) for item in world.history(kind="Action")]


def test_each_state_has_its_own_actions(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(**KEEP, AlarmActions=[TOPIC + "-alarm"], OKActions=[TOPIC + "-ok"])
        for state in ("ALARM", "ALARM", "OK", "INSUFFICIENT_DATA"):
            world.force(state)
            await world.settle()

    play(scene)
    assert [(a.arn, a.old_state, a.alarm.state) for a in world.acted] == [
        (TOPIC + "-alarm", "INSUFFICIENT_DATA", "ALARM"),
        (TOPIC + "-ok", "ALARM", "OK"),
    ]
    summary, data = outcomes(world)[0]
    assert summary == f"Successfully executed action {TOPIC}-alarm"
    assert data == {
        "actionState": "Succeeded",
        "stateUpdateTimestamp": round(world.clock.now() * 1000),
        "notificationResource": f"{TOPIC}-alarm",
    }


def test_disabled_actions_are_not_carried_out_later_either(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(**ALL, ActionsEnabled=False)
        world.force("ALARM")
        await world.settle()
        world.alarms.enable_actions(world.find(), enabled=True)
        await world.settle()
        assert world.acted == []
        world.force("OK")
        await world.settle()

    play(scene)
    assert world.did() == [("a", "OK")]


@pytest.mark.parametrize("error", [ActionError("no such topic"), RuntimeError("defect")])
def test_a_failure_is_in_the_history_and_stops_nothing(
    world: World, play: Play, error: Exception
) -> None:
    def fail(action: AlarmAction) -> None:
        world.put(77.0, name="written")
        raise error

    async def scene() -> None:
        world.alarms.actions["broken"] = fail
        broken = TOPIC.replace("sns", "broken")
        world.alarm(AlarmActions=[broken, TOPIC.replace("sns", "unknown"), TOPIC])
        world.force("ALARM")
        await world.settle()

    play(scene)
    assert world.did() == [("a", "ALARM")]
    (broken, said), (unknown, why), (done, _) = outcomes(world)
    assert broken.startswith("Failed to execute action")
    assert (said["actionState"], str(error) in said["error"]) == ("Failed", True)
    assert unknown.startswith("Failed to execute action")
    assert "does not support actions of unknown" in why["error"]
    assert done.startswith("Successfully executed action")
    # What the failed action had written is undone with it.
    found = world.metrics.statistics(
        ACCOUNT, REGION, "N", "written", {}, start=0, end=2e9, period_s=60
    )
    assert found == []


def test_a_handler_may_take_its_time(world: World, play: Play) -> None:
    go_on = asyncio.Event()

    async def slowly(action: AlarmAction) -> str:
        await go_on.wait()
        return f"told {action.alarm.state}"

    async def scene() -> None:
        world.alarms.actions["sns"] = slowly
        world.alarm(**ALL)
        world.force("ALARM")
        await world.settle()
        assert outcomes(world) == []
        world.force("OK")
        go_on.set()
        await world.settle()

    play(scene)
    messages = [data["publishedMessage"] for _, data in outcomes(world)]
    assert messages == ["told ALARM", "told OK"]


def test_what_a_killed_server_left_is_carried_out_by_the_next(world: World, play: Play) -> None:
    never = asyncio.Event()

    async def hang(action: AlarmAction) -> None:
        del action
        await never.wait()

    async def scene() -> None:
        world.alarm(**ALL)
        world.alarms.actions["sns"] = hang
        world.force("ALARM")
        await world.settle()
        world.force("OK")
        world.kill()
        assert world.state() == "OK"
        world.begin()
        await asyncio.sleep(0.01)
        await world.settle()

    play(scene)
    assert world.did() == [("a", "ALARM"), ("a", "OK")]


def test_a_change_of_an_undone_transaction_is_told_to_nobody(world: World, play: Play) -> None:
    def undone() -> None:
        with world.db.transaction():
            world.force("ALARM")
            raise ZeroDivisionError

    async def scene() -> None:
        world.alarm(**ALL)
        await world.settle()
        with pytest.raises(ZeroDivisionError):
            undone()
        await world.settle()

    play(scene)
    assert (world.transitions, world.acted) == ([], [])
    assert world.state() == "INSUFFICIENT_DATA"


def test_watching_ends_and_a_broken_watcher_stops_nothing(world: World, play: Play) -> None:
    seen = []

    def broken(transition: Any) -> None:
        seen.append(transition.alarm.state)
        raise ValueError

    async def scene() -> None:
        world.alarms.watch(broken)
        unwatch = world.alarms.watch(lambda transition: seen.append(transition.old.state))
        world.alarm(**KEEP)
        world.force("ALARM")
        await world.settle()
        unwatch()
        world.force("OK")
        await world.settle()

    play(scene)
    assert seen == ["ALARM", "INSUFFICIENT_DATA", "OK"]
    assert [new for _, _, new in world.transitions] == ["ALARM", "OK"]


@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_a_restart_in_each_state_keeps_it_and_goes_on(world: World, play: Play, state: str) -> None:
    async def scene() -> None:
        world.alarm(**KEEP)
        world.force(state)
        world.kill()
        world.begin()
        assert world.state() == state
        await world.pass_time(60)
        assert world.state() == state
        world.put(1.0 if state == "ALARM" else 9.0)
        await world.pass_time(60)
        assert world.state() == ("OK" if state == "ALARM" else "ALARM")

    play(scene)


def test_history_is_kept_for_thirty_days(world: World, play: Play) -> None:
    async def scene() -> None:
        world.alarm(**KEEP)
        world.force("ALARM")
        world.clock.advance(29 * 86_400)
        world.force("OK")
        assert len(world.history()) == 3
        world.clock.advance(2 * 86_400)
        world.force("ALARM")
        assert len(world.history()) == 2

    play(scene)
