"""Rolling deployments: batches come and go, forwards and backwards, never below capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.fleets import StartError

from .conftest import Scene

INTERVAL_S = 600


def rolling(*alarms: str, batch: int = 1, back: int | None = None, kind: str = "") -> Any:
    policy: dict[str, Any] = {
        "MaximumBatchSize": {"Type": kind or "INSTANCE_COUNT", "Value": batch},
        "WaitIntervalInSeconds": INTERVAL_S,
    }
    if back is not None:
        policy["RollbackMaximumBatchSize"] = {"Type": "INSTANCE_COUNT", "Value": back}
    whole: dict[str, Any] = {"RollingUpdatePolicy": policy}
    if alarms:
        whole["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return whole


def begun(scene: Scene, policy: Any, count: int = 4, new_count: int = 0) -> tuple[str, str, str]:
    name = scene.endpoint(("all", count))
    old = scene.row(name).state["config_name"]
    new = scene.config(("all", new_count or count))
    scene.update(name, new, policy)
    return name, old, new


def test_several_variants_are_updated_all_at_once(scene: Scene) -> None:
    name = scene.endpoint(("a", 2), ("b", 2))
    new = scene.config(("a", 2), ("b", 2))
    scene.update(name, new, rolling())
    assert scene.status(name) == "InService"
    assert scene.counts(name) == {new: 4}


def test_batches_come_up_bake_and_replace_as_many(scene: Scene) -> None:
    name, old, new = begun(scene, rolling())
    for number in (1, 2, 3):
        assert scene.shares(name) == {old: 1 - number / 4, new: number / 4}
        # The old ones of this batch go only after its bake.
        assert scene.counts(name) == {old: 5 - number, new: number}
        (serving,) = scene.describe(name)["ProductionVariants"]
        assert serving["CurrentInstanceCount"] == 5 - number
        status, message = scene.variant_status(name)
        assert status == "Baking"
        assert message == (
            "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity"
            f" of {number} instance(s)."
        )
        scene.advance(INTERVAL_S)
    assert scene.shares(name) == {new: 1.0}
    assert scene.counts(name) == {old: 1, new: 4}
    scene.advance(INTERVAL_S)
    assert scene.status(name) == "InService"
    assert scene.counts(name) == {new: 4}
    (serving,) = scene.describe(name)["ProductionVariants"]
    assert serving["CurrentInstanceCount"] == serving["DesiredInstanceCount"] == 4


def test_there_is_never_less_than_the_capacity_needs(scene: Scene) -> None:
    name, old, new = begun(scene, rolling(batch=50, kind="CAPACITY_PERCENT"), 2, new_count=6)
    assert scene.shares(name) == {old: 0.5, new: 0.5}
    assert scene.counts(name) == {old: 2, new: 3}
    scene.advance(INTERVAL_S)
    assert scene.counts(name) == {old: 1, new: 6}
    scene.advance(INTERVAL_S)
    assert scene.counts(name) == {new: 6}


def test_one_instance_is_replaced_by_requests(scene: Scene) -> None:
    name, old, new = begun(scene, rolling(batch=50, kind="CAPACITY_PERCENT"), 1)
    assert scene.shares(name) == {old: 0.5, new: 0.5}
    scene.advance(INTERVAL_S)
    assert scene.shares(name) == {new: 1.0}
    assert scene.counts(name) == {old: 1, new: 1}
    scene.advance(INTERVAL_S)
    assert scene.counts(name) == {new: 1}


def test_an_alarm_brings_the_old_instances_back(scene: Scene) -> None:
    scene.alarm("rolling", breaching=False)
    name, old, new = begun(scene, rolling("rolling"))
    scene.advance(2 * INTERVAL_S)
    assert scene.counts(name) == {old: 2, new: 3}
    scene.alarm("rolling", breaching=True)
    scene.settle()
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert "alarm rolling " in told["FailureReason"]
    assert scene.shares(name) == {old: 1.0}
    assert scene.counts(name) == {old: 4}
    assert told["ProductionVariants"][0]["CurrentInstanceCount"] == 4
    # Nothing of the deployment is in the way of what comes next.
    scene.capacity(name, ("all", None, 5))
    scene.settle()
    assert scene.describe(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 5


def test_instances_come_back_in_batches_of_their_own(scene: Scene) -> None:
    scene.alarm("batches", breaching=False)
    name, old, new = begun(scene, rolling("batches", back=1))
    scene.advance(3 * INTERVAL_S)
    assert scene.counts(name) == {old: 1, new: 4}
    started = len(scene.processes.started)
    scene.processes.gate.clear()
    scene.alarm("batches", breaching=True)
    # The one that is left takes requests again; nothing new was needed for that.
    assert scene.shares(name) == {old: 0.25, new: 0.75}
    assert len(scene.processes.started) == started + 1
    assert scene.status(name) == "Updating"
    assert scene.variant_status(name)[0] == "Deleting"
    scene.processes.gate.set()
    scene.settle()
    assert scene.shares(name) == {old: 1.0}
    assert scene.counts(name) == {old: 4}


def test_a_later_batch_that_does_not_come_up_leads_back(
    scene: Scene, no_instance: StartError
) -> None:
    name = scene.endpoint(("all", 4))
    old, new = scene.row(name).state["config_name"], scene.config(("new", 4))
    scene.update(name, new, rolling())
    scene.processes.trouble["new"] = no_instance
    scene.advance(INTERVAL_S)
    scene.settle()
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert "no such luck" in told["FailureReason"]
    assert scene.counts(name) == {old: 4}
    assert scene.shares(name) == {old: 1.0}


def stuck(scene: Scene, alarm: str, trouble: StartError) -> tuple[str, str, str]:
    """Return an endpoint that could go neither way: half of it is old, half of it new."""
    scene.alarm(alarm, breaching=False)
    name, old, new = begun(scene, rolling(alarm))
    scene.advance(INTERVAL_S)
    scene.processes.trouble["all"] = trouble
    scene.alarm(alarm, breaching=True)
    scene.settle()
    scene.processes.trouble.clear()
    assert scene.status(name) == "UpdateRollbackFailed"
    return name, old, new


def test_a_rollback_that_fails_leaves_a_mix(
    scene: Scene, no_instance: StartError, refused: Callable[..., str]
) -> None:
    name, old, new = stuck(scene, "mix", no_instance)
    told = scene.describe(name)
    assert "alarm mix " in told["FailureReason"]
    assert "The rollback failed: " in told["FailureReason"]
    assert told["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    assert "PendingDeploymentSummary" not in told
    before = scene.shares(name)
    assert before == {old: 0.5, new: 0.5}
    scene.restart()
    scene.settle()
    assert scene.shares(name) == before
    message = refused(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "all", "DesiredWeight": 2.0}],
    )
    assert "UpdateRollbackFailed" in message
    message = refused(
        "UpdateEndpoint",
        EndpointName=name,
        EndpointConfigName=old,
        DeploymentConfig=rolling(),
    )
    assert "RollingUpdatePolicy" in message


def test_an_update_makes_a_mix_whole(scene: Scene, no_instance: StartError) -> None:
    name, _, _ = stuck(scene, "whole", no_instance)
    newest = scene.config(("all", 2))
    scene.update(name, newest)
    assert scene.status(name) == "InService"
    assert scene.shares(name) == {newest: 1.0}
    assert scene.counts(name) == {newest: 2}


def test_a_canary_beside_a_mix_leads_back_to_it(scene: Scene, no_instance: StartError) -> None:
    name, old, new = stuck(scene, "beside", no_instance)
    before = scene.shares(name)
    scene.alarm("beside", breaching=False)
    newest = scene.config(("all", 2))
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
        "WaitIntervalInSeconds": INTERVAL_S,
    }
    policy = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "beside"}]},
    }
    scene.update(name, newest, policy)
    assert scene.shares(name) == {old: 0.25, new: 0.25, newest: 0.5}
    scene.alarm("beside", breaching=True)
    scene.settle()
    assert scene.status(name) == "UpdateRollbackFailed"
    assert scene.shares(name) == before


def test_an_update_of_a_mix_that_fails_leads_back_to_it(
    scene: Scene, no_instance: StartError
) -> None:
    name, _, _ = stuck(scene, "again", no_instance)
    before = scene.traffic(name)
    scene.processes.trouble["newest"] = no_instance
    scene.update(name, scene.config(("newest", 2)))
    assert scene.status(name) == "UpdateRollbackFailed"
    assert scene.traffic(name) == before
    scene.call("DeleteEndpoint", EndpointName=name)
    scene.settle()
    with pytest.raises(Exception, match="Could not find"):
        scene.describe(name)
