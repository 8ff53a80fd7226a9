"""A server killed at any point of a deployment: the next one goes on from there."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.guardrails.rollout import Rollout

from .conftest import Scene

INTERVAL_S = 600


def policy(kind: str, alarm: str) -> Any:
    one = {"Type": "INSTANCE_COUNT", "Value": 1}
    whole: dict[str, Any] = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}}
    if kind == "rolling":
        update = {"MaximumBatchSize": one, "WaitIntervalInSeconds": INTERVAL_S}
        return whole | {"RollingUpdatePolicy": update | {"RollbackMaximumBatchSize": one}}
    routing = {"Type": "CANARY", "CanarySize": one, "WaitIntervalInSeconds": INTERVAL_S}
    update = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": INTERVAL_S}
    return whole | {"BlueGreenUpdatePolicy": update}


class Killer:
    """Kills the server when a deployment writes its row for the nth time: before, or after it."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        self._processes = scene.processes
        self._save: Callable[[Rollout], None] = Rollout._save
        self.number = 0
        self.fatal = 0
        self.before = False
        # A bound method would hide the deployment it is called for.
        monkeypatch.setattr(Rollout, "_save", functools.partialmethod(_counted, self))

    def arm(self, fatal: int, *, before: bool) -> None:
        self.number, self.fatal, self.before = 0, fatal, before

    def count(self, rollout: Rollout) -> None:
        """Count a write, and be the end of the server if it is the fatal one."""
        self.number += 1
        if self.number != self.fatal:
            self._save(rollout)
            return
        if not self.before:
            self._save(rollout)
        self._processes.dead = True
        raise asyncio.CancelledError


def _counted(rollout: Rollout, killer: Killer) -> None:
    killer.count(rollout)


def through(scene: Scene, kind: str, *, back: bool, killer: Killer) -> None:
    """Carry a deployment to its end, restarting the server where it was killed."""
    alarm = f"alarm-{kind}"
    scene.alarm(alarm, breaching=False)
    name = scene.endpoint(("all", 2))
    old, new = scene.row(name).state["config_name"], scene.config(("all", 2))
    seen: list[float] = []

    def look() -> None:
        if killer.fatal and killer.number >= killer.fatal and scene.processes.dead:
            scene.restart()
        scene.idle()
        shares = scene.shares(name)
        assert sum(shares.values()) == pytest.approx(1.0)
        seen.append(shares.get(new, 0.0))

    scene.update(name, new, policy(kind, alarm))
    look()
    scene.advance(INTERVAL_S)
    look()
    if back:
        scene.alarm(alarm, breaching=True)
        look()
        scene.settle()
    for _ in range(2):
        scene.advance(INTERVAL_S)
        look()
    scene.settle()
    told = scene.describe(name)
    assert told["EndpointStatus"] == "InService"
    assert told["EndpointConfigName"] == (old if back else new)
    assert ("FailureReason" in told and told["FailureReason"] is not None) == back
    assert scene.counts(name) == {old if back else new: 2}
    # Traffic goes one way, and in the case of a rollback once the other way.
    turn = seen.index(max(seen))
    assert seen[: turn + 1] == sorted(seen[: turn + 1])
    assert seen[turn:] == sorted(seen[turn:], reverse=True)
    assert not back or seen[-1] == 0.0
    scene.assert_nothing_is_left_over()
    scene.call("DeleteEndpoint", EndpointName=name)
    scene.settle()


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("back", [False, True], ids=["forwards", "back"])
@pytest.mark.parametrize("kind", ["canary", "rolling"])
def test_a_deployment_goes_on_wherever_the_server_was_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: str, back: bool, before: bool
) -> None:
    killer = Killer(scene, monkeypatch)
    through(scene, kind, back=back, killer=killer)
    points = killer.number
    assert points >= 7
    for point in range(1, points + 1):
        killer.arm(point, before=before)
        through(scene, kind, back=back, killer=killer)
        assert killer.number >= point


def test_a_bake_that_ended_while_no_server_ran_is_over(scene: Scene) -> None:
    scene.alarm("alarm-canary", breaching=False)
    name = scene.endpoint(("all", 2))
    new = scene.config(("all", 2))
    scene.update(name, new, policy("canary", "alarm-canary"))
    endpoint = scene.row(name)
    assert endpoint.state["deployment"]["phase"] == "Baking"
    endpoint.state["deployment"]["until"] = scene.server.platform.clock.now() - 1
    records.save(scene.server.platform.db, endpoint, 1.0)
    scene.restart()
    scene.idle()
    assert scene.shares(name) == {new: 1.0}
    scene.advance(INTERVAL_S)
    assert scene.status(name) == "InService"


@pytest.mark.parametrize("wrong", ["alarm", "late"])
def test_what_went_wrong_while_no_server_ran_leads_back(scene: Scene, wrong: str) -> None:
    scene.alarm("alarm-canary", breaching=False)
    scene.alarm("red", breaching=True)
    name = scene.endpoint(("all", 2))
    old = scene.row(name).state["config_name"]
    scene.update(name, scene.config(("all", 2)), policy("canary", "alarm-canary"))
    endpoint = scene.row(name)
    deployment = endpoint.state["deployment"]
    past = scene.server.platform.clock.now() - 1
    if wrong == "alarm":
        deployment["until"] = past
        deployment["policy"]["AutoRollbackConfiguration"]["Alarms"] = [{"AlarmName": "red"}]
    else:
        deployment |= {"until": past, "deadline": past}
    records.save(scene.server.platform.db, endpoint, 1.0)
    scene.restart()
    scene.settle()
    told = scene.describe(name)
    assert told["EndpointConfigName"] == old
    words = "alarm red " if wrong == "alarm" else "MaximumExecutionTimeoutInSeconds"
    assert words in told["FailureReason"]
    assert scene.shares(name) == {old: 1.0}


def test_a_new_fleet_that_does_not_come_back_is_given_up(
    scene: Scene, no_instance: Exception
) -> None:
    scene.alarm("alarm-canary", breaching=False)
    name = scene.endpoint(("all", 2))
    old = scene.row(name).state["config_name"]
    scene.update(name, scene.config(("new", 2)), policy("canary", "alarm-canary"))
    for place in list(scene.processes.up):
        if place.variant == "new":
            scene.processes.end(place)
    scene.processes.trouble["new"] = no_instance
    scene.restart()
    scene.settle()
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert "no such luck" in told["FailureReason"]
    assert scene.shares(name) == {old: 1.0}


def test_instances_that_serve_come_back_even_where_none_can_be_had(scene: Scene) -> None:
    scene.alarm("alarm-canary", breaching=False)
    name = scene.endpoint(("all", 2))
    scene.update(name, scene.config(("all", 2)), policy("canary", "alarm-canary"))
    before = scene.shares(name)
    assert len(before) == 2
    short = {"kind": "capacity", "target": f"endpoint/{name}"}
    scene.server.platform.injection.add(short)
    scene.restart()
    assert scene.shares(name) == before
    scene.server.platform.injection.clear()


def test_a_rollback_without_capacity_leaves_a_mix(scene: Scene) -> None:
    scene.alarm("alarm-rolling", breaching=False)
    name = scene.endpoint(("all", 2))
    scene.update(name, scene.config(("all", 2)), policy("rolling", "alarm-rolling"))
    scene.advance(INTERVAL_S)
    short = {"kind": "capacity", "target": f"endpoint/{name}"}
    scene.server.platform.injection.add(short)
    scene.alarm("alarm-rolling", breaching=True)
    scene.settle()
    told = scene.describe(name)
    assert told["EndpointStatus"] == "UpdateRollbackFailed"
    assert "InsufficientInstanceCapacity" in told["FailureReason"]
    scene.server.platform.injection.clear()
