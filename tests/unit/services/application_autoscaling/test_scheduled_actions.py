"""Scheduled actions: what they must be, when they run, and that each runs once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import Scene

Scenario = Callable[[Callable[[Scene], Any]], None]


def put(scene: Scene, name: str, schedule: str, minimum: int = 3, **more: Any) -> None:
    """Put an action that sets the lower bound."""
    request = {"Schedule": schedule, "ScalableTargetAction": {"MinCapacity": minimum}}
    scene.call("PutScheduledAction", ScheduledActionName=name, **request | more)


def at(scene: Scene, delay_s: float) -> str:
    moment = datetime.fromtimestamp(scene.clock.now() + delay_s, UTC)
    return moment.strftime("at(%Y-%m-%dT%H:%M:%S)")


def test_an_action_runs_at_its_time(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        put(scene, "once", at(scene, 100))
        await scene.advance(99)
        assert scene.variant.sets == []
        await scene.advance(1)
        assert scene.variant.sets == [3]
        scheduled, scaled = scene.activities()
        assert scheduled["Description"] == "Setting min capacity to 3"
        assert scheduled["Cause"] == "scheduled action name once was triggered"
        assert scheduled["StatusMessage"] == "Successfully set min capacity to 3"
        assert scaled["Cause"] == "minimum capacity was set to 3"
        await scene.advance(100_000)
        assert len(scene.activities()) == 2

    scenario(body)


def test_rates_repeat_and_stop_at_the_end(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        start = scene.clock.now() + 30
        put(scene, "r", "rate(1 minute)", StartTime=start, EndTime=start + 90)
        for _ in range(20):
            await scene.advance(15)
        begun = [one["StartTime"] - start for one in scene.activities() if "name" in one["Cause"]]
        assert begun == [0, 60]

    scenario(body)


def test_a_cron_waits_for_its_start(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        start = scene.clock.now() // 60 * 60 + 300
        put(scene, "c", "cron(* * * * ? *)", StartTime=start)
        for _ in range(25):
            await scene.advance(15)
        begun = [one["StartTime"] - start for one in scene.activities() if "name" in one["Cause"]]
        # The clock of the test moves in steps of its own.
        assert [moment // 60 for moment in begun] == [0, 1]

    scenario(body)


@pytest.mark.parametrize("down_s", [50, 5000])
def test_an_action_that_fell_into_a_kill_runs_once(scenario: Scenario, down_s: float) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        put(scene, "r", "rate(30 minutes)")
        put(scene, "once", at(scene, 40), minimum=4)
        now = scene.clock.now()
        await scene.kill()
        await scene.start()
        scene.clock.advance(now + down_s - scene.clock.now())
        await scene.settle()
        names = [one["Cause"] for one in scene.activities() if "name" in one["Cause"]]
        assert names.count("scheduled action name once was triggered") == 1
        assert names.count("scheduled action name r was triggered") == (down_s > 1800)

    scenario(body)


def test_a_busy_resource_gets_its_bounds_afterwards(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        put(scene, "once", at(scene, 10))
        scene.variant.busy = True
        scene.variant.gate.clear()
        await scene.advance(10)
        assert scene.variant.sets == []
        await scene.restart()
        scene.variant.busy = False
        scene.variant.gate.set()
        await scene.settle()
        assert scene.variant.sets == [3]

    scenario(body)


def test_suspended_schedules_do_nothing(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register(SuspendedState={"ScheduledScalingSuspended": True})
        put(scene, "r", "rate(1 minute)")
        await scene.advance(60)
        assert scene.activities() == []
        scene.register(SuspendedState={"ScheduledScalingSuspended": False})
        await scene.advance(60)
        assert scene.variant.sets == [3]

    scenario(body)


def test_bounds_that_contradict_each_other_fail(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register(1, 2)
        put(scene, "r", "rate(1 minute)", minimum=3)
        await scene.advance(60)
        (failed,) = scene.activities()
        assert failed["StatusCode"] == "Failed"
        assert failed["StatusMessage"].startswith("Failed to set min capacity to 3. Reason: ")

    scenario(body)


def test_a_change_keeps_all_but_the_times(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        later = scene.clock.now() + 1000
        put(scene, "a", "cron(0 12 * * ? *)", Timezone="Europe/Berlin", StartTime=later)
        bounds = {"MinCapacity": 2, "MaxCapacity": 5}
        scene.call("PutScheduledAction", ScheduledActionName="a", ScalableTargetAction=bounds)
        (described,) = scene.call("DescribeScheduledActions")["ScheduledActions"]
        assert described["Schedule"] == "cron(0 12 * * ? *)"
        assert described["Timezone"] == "Europe/Berlin"
        assert described["ScalableTargetAction"] == bounds
        assert "StartTime" not in described
        arn = described["ScheduledActionARN"]
        resource = ":resource/sagemaker/endpoint/e/variant/v:scheduledActionName/a"
        assert arn.startswith("arn:aws:autoscaling:")
        assert arn.endswith(resource)
        scene.call("DeleteScheduledAction", ScheduledActionName="a")
        assert scene.call("DescribeScheduledActions")["ScheduledActions"] == []
        code, message = scene.refusal("DeleteScheduledAction", ScheduledActionName="a")
        assert code == "ObjectNotFoundException"
        assert message.startswith("No scheduled action found for service namespace: sagemaker,")

    scenario(body)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Schedule": "every day"}, "no at, rate or cron"),
        ({"Timezone": "Mars/Base", "Schedule": "cron(0 0 * * ? *)"}, "no time zone"),
        ({"Timezone": "Mars/Base"}, "Timezone Mars/Base is no time zone"),
        ({"Schedule": "cron(0 25 * * ? *)"}, "Invalid Schedule cron(0 25 * * ? *)"),
        ({"ScalableTargetAction": {}}, "At least one of minimum capacity and maximum"),
        ({"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "cannot be less"),
        ({"ScalableTargetAction": {"MaxCapacity": -1}}, "negative"),
        ({"StartTime": 2.0, "EndTime": 1.0}, "before EndTime"),
        ({"StartTime": 1.0, "EndTime": 2.0}, "EndTime is in the past"),
        ({"Schedule": "at(2001-02-03T04:05:06)"}, "at(2001-02-03T04:05:06) is in the past"),
    ],
)
def test_what_is_refused(scenario: Scenario, change: dict[str, Any], words: str) -> None:
    async def body(scene: Scene) -> None:
        request = {"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 1}} | change
        request["ScheduledActionName"] = "a"
        assert scene.refusal("PutScheduledAction", **request)[0] == "ObjectNotFoundException"
        scene.register()
        code, message = scene.refusal("PutScheduledAction", **request)
        assert code == "ValidationException"
        assert words in message

    scenario(body)


def test_the_past_is_judged_in_the_time_zone(scenario: Scenario) -> None:
    async def body(scene: Scene) -> None:
        scene.register()
        before, after = at(scene, -3600), at(scene, 3600)
        put(scene, "later", after)
        action = {"ScheduledActionName": "a", "ScalableTargetAction": {"MinCapacity": 1}}
        east, west = {"Timezone": "Etc/GMT-2"}, {"Timezone": "Etc/GMT+2"}
        for refused in ({"Schedule": before}, {"Schedule": after} | east):
            code, message = scene.refusal("PutScheduledAction", **action, **refused)
            assert (code, message.endswith("is in the past.")) == ("ValidationException", True)
        put(scene, "a", before, **west)
        # What has run may be changed, as long as its time is not given again.
        put(scene, "once", at(scene, 10))
        await scene.advance(20)
        scene.call(
            "PutScheduledAction",
            ScheduledActionName="once",
            ScalableTargetAction={"MinCapacity": 2},
        )

    scenario(body)
