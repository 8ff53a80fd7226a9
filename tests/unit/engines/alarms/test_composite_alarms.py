"""Composite alarms: their transitions, cycles, and actions held back by a suppressor."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.alarms.records import Key, alarm_arn
from sagebrush.engines.alarms.rules import RuleError

from .conftest import ACCOUNT, REGION, TOPIC, World

Play = Callable[[Callable[[], Any]], None]
ACTIONS = {"AlarmActions": [TOPIC], "OKActions": [TOPIC]}


def arn(name: str) -> str:
    return alarm_arn(Key(ACCOUNT, REGION, name))


def quiet(world: World, *names: str) -> None:
    """Put metric alarms that keep whatever state they are given."""
    for name in names:
        world.alarm(name, TreatMissingData="ignore")


def test_every_transition(world: World, play: Play) -> None:
    async def scene() -> None:
        quiet(world, "a", "b")
        world.composite("c", 'ALARM("a") AND NOT ALARM(b)')
        assert world.state("c") == "OK"
        for name, state, expected in (
            ("a", "ALARM", "ALARM"),
            ("b", "ALARM", "OK"),
            ("b", "OK", "ALARM"),
            ("a", "INSUFFICIENT_DATA", "OK"),
        ):
            world.force(state, name)
            assert world.state("c") == expected

    play(scene)
    assert [(old, new) for name, old, new in world.transitions if name == "c"] == [
        ("INSUFFICIENT_DATA", "OK"),
        ("OK", "ALARM"),
        ("ALARM", "OK"),
        ("OK", "ALARM"),
        ("ALARM", "OK"),
    ]


def test_what_it_says(world: World, play: Play) -> None:
    async def scene() -> None:
        quiet(world, "a")
        world.composite()
        first = world.find("c").reason
        assert first == f"{arn('c')} was created and its alarm rule evaluates to OK"
        # A change of the child that changes nothing here gives no other reason.
        world.force("OK")
        assert world.find("c").reason == first
        world.force("ALARM")

    play(scene)
    composite = world.find("c")
    assert composite.reason == (
        f"{arn('a')} transitioned to ALARM at Tuesday 14 November, 2023 22:14:00 UTC"
    )
    assert json.loads(composite.reason_data) == {
        "triggeringAlarms": [
            {
                "arn": arn("a"),
                "state": {"value": "ALARM", "timestamp": "2023-11-14T22:14:00.000+0000"},
            }
        ]
    }


def test_an_update_evaluates_the_new_rule(world: World, play: Play) -> None:
    async def scene() -> None:
        world.composite("c", "TRUE")
        assert world.state("c") == "ALARM"
        world.composite("c", "FALSE")
        assert world.state("c") == "OK"
        assert world.find("c").reason.endswith("was updated and its alarm rule evaluates to OK")

    play(scene)


def test_a_change_runs_up_through_all_that_stand_on_it(world: World, play: Play) -> None:
    async def scene() -> None:
        quiet(world, "a")
        world.composite("b")
        world.composite("c", "ALARM(b)")
        world.composite("d", "OK(c)")
        world.force("ALARM")
        assert [world.state(name) for name in "bcd"] == ["ALARM", "ALARM", "OK"]

    play(scene)


def test_an_alarm_reached_on_two_ways_changes_once(world: World, play: Play) -> None:
    async def scene() -> None:
        quiet(world, "a")
        world.composite("b")
        world.composite("c", "ALARM(a) AND ALARM(b)", AlarmActions=[TOPIC])
        world.force("ALARM")
        await world.settle()
        assert world.did() == [("c", "ALARM")]

    play(scene)
    assert [new for name, _, new in world.transitions if name == "c"] == ["OK", "ALARM"]
    assert len(world.history("c", "StateUpdate")) == 2


def test_a_cycle_ends_the_evaluation(world: World, play: Play) -> None:
    async def scene() -> None:
        quiet(world, "a")
        world.composite("b")
        world.composite("c", "NOT ALARM(b)")
        world.composite("b", "ALARM(a) OR ALARM(c)")
        world.force("ALARM")
        assert {world.state("b"), world.state("c")} <= {"OK", "ALARM"}

    play(scene)


def test_no_rule(world: World) -> None:
    with pytest.raises(RuleError):
        world.composite("c", "ALARM(")


class Suppression:
    """Composite c on alarm a, suppressed by s: waits 20 s, extends by 30 s."""

    def __init__(self, world: World) -> None:
        self.world = world
        quiet(world, "a", "s")
        world.composite("c", **ACTIONS, **self.members())
        world.acted.clear()

    @staticmethod
    def members(suppressor: str = "s") -> dict[str, Any]:
        return {
            "ActionsSuppressor": suppressor,
            "ActionsSuppressorWaitPeriod": 20,
            "ActionsSuppressorExtensionPeriod": 30,
        }

    def by(self) -> str | None:
        by: str | None = self.world.find("c").suppressed_by
        return by

    async def settled(self) -> None:
        """Let the wait of the creation pass."""
        await self.world.pass_time(30)
        self.world.acted.clear()


def suppressed(
    world: World, play: Play, scene: Callable[[Suppression], Any]
) -> list[tuple[str, str]]:
    async def whole() -> None:
        suppression = Suppression(world)
        await suppression.settled()
        await scene(suppression)

    play(whole)
    return world.did()


def test_example_1_the_wait_passes(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        assert (it.by(), world.did()) == ("WaitPeriod", [])
        await world.pass_time(10)
        assert it.by() is None

    assert suppressed(world, play, scene) == [("c", "ALARM")]
    assert world.acted[0].old_state == "OK"


def test_example_2_the_suppressor_comes_within_the_wait(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        world.force("ALARM", "s")
        await world.pass_time(60)
        assert it.by() == "Alarm"

    assert suppressed(world, play, scene) == []


def test_example_3_a_change_within_the_wait_begins_another(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        world.force("OK")
        await world.pass_time(10)
        assert (it.by(), world.did()) == ("WaitPeriod", [])
        await world.pass_time(10)

    assert suppressed(world, play, scene) == [("c", "OK")]


def test_example_4_suppressed_from_the_start(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM", "s")
        world.force("ALARM")
        assert it.by() == "Alarm"
        await world.pass_time(60)

    assert suppressed(world, play, scene) == []


def test_example_5_the_extension_passes(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        world.force("ALARM", "s")
        await world.pass_time(30)
        world.force("OK", "s")
        await world.pass_time(20)
        assert (it.by(), world.did()) == ("ExtensionPeriod", [])
        await world.pass_time(10)
        assert it.by() is None

    assert suppressed(world, play, scene) == [("c", "ALARM")]


def test_example_6_a_change_within_the_extension_begins_a_wait(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        world.force("ALARM", "s")
        await world.pass_time(30)
        world.force("OK", "s")
        await world.pass_time(10)
        world.force("OK")
        assert it.by() == "WaitPeriod"
        await world.pass_time(20)

    assert suppressed(world, play, scene) == [("c", "OK")]


def test_the_suppressor_comes_back_within_the_extension(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM", "s")
        world.force("ALARM")
        world.force("OK", "s")
        await world.pass_time(10)
        world.force("ALARM", "s")
        await world.pass_time(60)
        assert it.by() == "Alarm"

    assert suppressed(world, play, scene) == []


def test_a_suppressor_that_is_in_no_alarm_changes_no_wait(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        world.force("OK", "s")
        assert it.by() == "WaitPeriod"
        await world.pass_time(10)

    assert suppressed(world, play, scene) == [("c", "ALARM")]


def test_a_suppressor_after_the_actions_brings_them_not_again(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(20)
        world.force("ALARM", "s")
        assert it.by() is None
        world.force("OK", "s")
        await world.pass_time(60)

    assert suppressed(world, play, scene) == [("c", "ALARM")]


def test_another_suppressor_discards_the_wait(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        quiet(world, "t")
        world.force("ALARM")
        world.composite("c", **ACTIONS, **it.members("t"))
        assert it.by() is None
        await world.pass_time(60)

    assert suppressed(world, play, scene) == []


def test_a_wait_is_taken_up_again_after_a_restart(world: World, play: Play) -> None:
    async def scene(it: Suppression) -> None:
        world.force("ALARM")
        await world.pass_time(10)
        world.kill()
        world.begin()
        assert it.by() == "WaitPeriod"
        await world.pass_time(10)

    assert suppressed(world, play, scene) == [("c", "ALARM")]
