"""Blue/green deployments: what gets traffic when, what is baked, what leads back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.fleets import StartError
from sagebrush.services.sagemaker.hosting import records

from .conftest import Scene

INTERVAL_S, TERMINATION_S = 600, 300


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def blue_green(kind: str, *alarms: str, timeout_s: int | None = None, **sizes: Any) -> Any:
    policy: dict[str, Any] = {
        "TrafficRoutingConfiguration": {
            "Type": kind,
            "WaitIntervalInSeconds": INTERVAL_S,
            **sizes,
        },
        "TerminationWaitInSeconds": TERMINATION_S,
    }
    if timeout_s is not None:
        policy["MaximumExecutionTimeoutInSeconds"] = timeout_s
    whole: dict[str, Any] = {"BlueGreenUpdatePolicy": policy}
    if alarms:
        whole["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return whole


def canary(*alarms: str, **fields: Any) -> Any:
    return blue_green("CANARY", *alarms, CanarySize=size(1), **fields)


def begun(scene: Scene, policy: Any, count: int = 3) -> tuple[str, str, str]:
    """Begin an update; return the endpoint, its old and its new configuration."""
    name = scene.endpoint(("all", count))
    old = scene.row(name).state["config_name"]
    new = scene.config(("all", count))
    scene.update(name, new, policy)
    return name, old, new


def test_a_canary_bakes_then_all_bakes_then_the_old_go(scene: Scene) -> None:
    name, old, new = begun(scene, canary())
    assert scene.shares(name) == {old: 0.67, new: 0.33}
    told = scene.describe(name)
    assert told["EndpointStatus"] == "Updating"
    assert told["EndpointConfigName"] == old
    assert told["LastDeploymentConfig"] == canary()
    (serving,) = told["ProductionVariants"]
    assert (serving["CurrentInstanceCount"], serving["DesiredInstanceCount"]) == (3, 3)
    pending = told["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == new
    (variant,) = pending["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
    status, message = scene.variant_status(name)
    assert status == "Baking"
    assert message == (
        "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of"
        " 1 instance(s)."
    )
    scene.advance(INTERVAL_S - 1)
    assert scene.shares(name) == {old: 0.67, new: 0.33}
    scene.advance(1)
    assert scene.shares(name) == {new: 1.0}
    assert scene.variant_status(name)[1].startswith("Baking for 300 seconds (TerminationWait")
    assert scene.counts(name) == {old: 3, new: 3}
    scene.advance(TERMINATION_S)
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", new)
    assert "PendingDeploymentSummary" not in told
    assert "FailureReason" not in {key for key, value in told.items() if value is not None}
    assert scene.counts(name) == {new: 3}


def test_a_linear_shift_takes_equal_steps(scene: Scene) -> None:
    policy = blue_green("LINEAR", LinearStepSize=size(25, "CAPACITY_PERCENT"))
    name, old, new = begun(scene, policy, count=4)
    for share in (0.25, 0.5, 0.75):
        assert scene.shares(name) == {old: 1 - share, new: share}
        scene.advance(INTERVAL_S)
    assert scene.shares(name) == {new: 1.0}
    assert scene.status(name) == "Updating"
    scene.advance(TERMINATION_S)
    assert scene.status(name) == "InService"


def test_all_at_once_waits_only_at_the_end(scene: Scene) -> None:
    name, old, new = begun(scene, blue_green("ALL_AT_ONCE"))
    assert scene.shares(name) == {new: 1.0}
    assert scene.counts(name) == {old: 3, new: 3}
    scene.advance(TERMINATION_S)
    assert scene.status(name) == "InService"


def test_one_instance_is_shared_by_requests(scene: Scene) -> None:
    policy = blue_green("CANARY", CanarySize=size(10, "CAPACITY_PERCENT"))
    name, old, new = begun(scene, policy, count=1)
    assert scene.shares(name) == {old: 0.9, new: 0.1}
    assert scene.variant_status(name)[1].endswith("canary capacity of 1 instance(s).")


def test_weights_hold_within_the_shares_of_the_fleets(scene: Scene) -> None:
    name = scene.endpoint(("a", 4, 3.0), ("b", 1, 1.0))
    old, new = scene.row(name).state["config_name"], scene.config(("a", 4, 3.0), ("b", 1, 1.0))
    scene.update(name, new, blue_green("CANARY", CanarySize=size(40, "CAPACITY_PERCENT")))
    # A quarter of the four instances of a are the most that 40 % are; b is shared by requests.
    seen = scene.traffic(name, 10_000)
    assert seen == {
        (old, "a"): pytest.approx(0.75 * 0.75, abs=0.011),
        (old, "b"): pytest.approx(0.25 * 0.6, abs=0.011),
        (new, "a"): pytest.approx(0.75 * 0.25, abs=0.011),
        (new, "b"): pytest.approx(0.25 * 0.4, abs=0.011),
    }


def test_other_variants_take_over_by_capacity(scene: Scene) -> None:
    name = scene.endpoint(("a", 2), ("b", 2))
    old, new = scene.row(name).state["config_name"], scene.config(("c", 2))
    scene.update(name, new, canary())
    assert scene.traffic(name) == {(old, "a"): 0.25, (old, "b"): 0.25, (new, "c"): 0.5}


@pytest.mark.parametrize("after_s", [0, INTERVAL_S + 10])
def test_an_alarm_during_a_bake_leads_back(scene: Scene, after_s: int) -> None:
    alarm = f"errors-{after_s}"
    scene.alarm(alarm, breaching=False)
    name, old, new = begun(scene, canary(alarm))
    scene.advance(after_s)
    assert new in scene.shares(name)
    scene.alarm(alarm, breaching=True)
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert f"alarm {alarm} " in told["FailureReason"]
    assert told["LastDeploymentConfig"] == canary(alarm)
    assert "PendingDeploymentSummary" not in told
    assert scene.shares(name) == {old: 1.0}
    assert scene.counts(name) == {old: 3}
    # The next update forgets why that one failed, and uses no generation again.
    generations = {scene.row(name).state["generation"], scene.row(name).state["spent"]}
    scene.update(name, new)
    told = scene.describe(name)
    assert (told["EndpointStatus"], told.get("FailureReason")) == ("InService", None)
    assert scene.row(name).state["generation"] not in generations


def test_an_alarm_that_is_in_alarm_already_lets_nothing_begin(scene: Scene) -> None:
    scene.alarm("before", breaching=True)
    started = len(scene.processes.started)
    name, old, _ = begun(scene, canary("before"))
    assert scene.status(name) == "InService"
    assert "alarm before " in scene.describe(name)["FailureReason"]
    assert len(scene.processes.started) == started + 3
    assert scene.shares(name) == {old: 1.0}


def test_an_alarm_while_the_new_fleet_starts_calls_it_off(scene: Scene) -> None:
    scene.alarm("early", breaching=False)
    name = scene.endpoint(("all", 2))
    scene.processes.gate.clear()
    scene.update(name, scene.config(("all", 2)), canary("early"))
    assert scene.variant_status(name) == ("Creating", "Launching 2 instance(s).")
    scene.alarm("early", breaching=True)
    scene.settle()
    assert scene.status(name) == "InService"
    assert "alarm early " in scene.describe(name)["FailureReason"]


def test_other_alarms_are_of_no_account(scene: Scene) -> None:
    scene.alarm("watched", breaching=False)
    name, _, new = begun(scene, canary("watched"))
    scene.alarm("somebody-elses", breaching=True)
    scene.advance(INTERVAL_S + TERMINATION_S)
    assert scene.describe(name)["EndpointConfigName"] == new


def test_a_deployment_that_takes_too_long_is_rolled_back(scene: Scene) -> None:
    name = scene.endpoint(("all", 2))
    old = scene.row(name).state["config_name"]
    scene.processes.gate.clear()
    scene.update(name, scene.config(("all", 2)), canary(timeout_s=1000))
    clock = scene.server.platform.clock
    # The step does not wait for what does not come; it is at work for as long as that.
    scene.server.run(clock.advance(1000, limit_s=0.1))  # type: ignore[attr-defined]
    scene.settle()
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert "exceeded its MaximumExecutionTimeoutInSeconds" in told["FailureReason"]


def test_waits_longer_than_the_time_limit_are_rolled_back_in_the_middle(scene: Scene) -> None:
    policy = blue_green("LINEAR", LinearStepSize=size(1), timeout_s=1000)
    name, old, new = begun(scene, policy, count=4)
    scene.advance(999)
    assert scene.shares(name) == {old: 0.5, new: 0.5}
    scene.advance(1)
    assert scene.shares(name) == {old: 1.0}
    assert "MaximumExecutionTimeoutInSeconds" in scene.describe(name)["FailureReason"]


def test_a_new_fleet_that_does_not_come_up_changes_nothing(
    scene: Scene, no_instance: StartError
) -> None:
    name = scene.endpoint(("all", 2))
    old = scene.row(name).state["config_name"]
    scene.processes.trouble["new"] = no_instance
    scene.update(name, scene.config(("new", 2)), canary())
    told = scene.describe(name)
    assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", old)
    assert "Its last line: no such luck" in told["FailureReason"]
    assert scene.shares(name) == {old: 1.0}


def test_instances_that_aws_cannot_guard_are_replaced_all_at_once(scene: Scene) -> None:
    name = scene.endpoint(("all", 3))
    new = scene.config(("all", 3), InstanceType="ml.inf1.xlarge")
    scene.update(name, new, canary())
    assert scene.describe(name)["EndpointConfigName"] == new


@pytest.mark.parametrize("operation", ["UpdateEndpoint", "DeleteEndpoint", "capacities"])
def test_nothing_else_begins_during_a_deployment(
    scene: Scene, refused: Callable[..., str], operation: str
) -> None:
    name, _, new = begun(scene, canary())
    request: dict[str, Any] = {"EndpointName": name}
    if operation == "UpdateEndpoint":
        request["EndpointConfigName"] = new
    if operation == "capacities":
        operation = "UpdateEndpointWeightsAndCapacities"
        request["DesiredWeightsAndCapacities"] = [{"VariantName": "all", "DesiredWeight": 2.0}]
    assert refused(operation, **request).startswith("Cannot update in-progress endpoint ")


def test_a_deployment_config_can_be_retained(scene: Scene, refused: Callable[..., str]) -> None:
    name = scene.endpoint(("all", 3), DeploymentConfig=canary())
    assert scene.describe(name)["LastDeploymentConfig"] == canary()
    new = scene.config(("all", 3))
    # Not by itself.
    scene.update(name, new)
    assert scene.describe(name)["EndpointConfigName"] == new
    old, new = new, scene.config(("all", 3))
    scene.update(name, new, RetainDeploymentConfig=True)
    assert scene.shares(name) == {old: 0.67, new: 0.33}
    scene.advance(INTERVAL_S + TERMINATION_S)
    message = refused(
        "UpdateEndpoint",
        EndpointName=name,
        EndpointConfigName=new,
        RetainDeploymentConfig=True,
        DeploymentConfig=canary(),
    )
    assert "RetainDeploymentConfig" in message


@pytest.mark.parametrize(
    ("excluded", "weight", "count"),
    [
        ([], 5.0, 2),
        (["DesiredWeight"], 1.0, 2),
        (["DesiredInstanceCount"], 5.0, 1),
        (["DesiredWeight", "DesiredInstanceCount", "DataCaptureConfig"], 1.0, 1),
    ],
)
def test_variant_properties_can_be_retained(
    scene: Scene, excluded: list[str], weight: float, count: int
) -> None:
    name = scene.endpoint(("a", 1))
    scene.capacity(name, ("a", 5.0, 2))
    scene.settle()
    scene.update(
        name,
        scene.config(("a", 1), ("b", 1)),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": kind} for kind in excluded],
    )
    a, b = scene.describe(name)["ProductionVariants"]
    assert (a["CurrentWeight"], a["CurrentInstanceCount"]) == (weight, count)
    assert (b["CurrentWeight"], b["CurrentInstanceCount"]) == (1.0, 1)


def test_properties_are_excluded_only_where_others_are_retained(
    scene: Scene, refused: Callable[..., str]
) -> None:
    name = scene.endpoint(("a", 1))
    message = refused(
        "UpdateEndpoint",
        EndpointName=name,
        EndpointConfigName=scene.config(("a", 1)),
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    assert "RetainAllVariantProperties is true" in message


def test_alarms_that_there_are_not_are_refused(scene: Scene, refused: Callable[..., str]) -> None:
    name = scene.endpoint(("all", 3))
    scene.alarm("there", breaching=False)
    message = refused(
        "UpdateEndpoint",
        EndpointName=name,
        EndpointConfigName=scene.config(("all", 3)),
        DeploymentConfig=canary("there", "nowhere"),
    )
    assert "nowhere" in message
    assert "there," not in message
    assert scene.status(name) == "InService"


def test_an_endpoint_is_created_with_a_sound_deployment_config_only(
    scene: Scene, refused: Callable[..., str]
) -> None:
    message = refused(
        "CreateEndpoint",
        EndpointName="never",
        EndpointConfigName=scene.config(("all", 1)),
        DeploymentConfig=blue_green("CANARY", CanarySize=size(60, "CAPACITY_PERCENT")),
    )
    assert "CanarySize" in message
    assert "Could not find endpoint" in refused("DescribeEndpoint", EndpointName="never")


def test_a_shadow_keeps_its_part_of_what_its_variant_gets(scene: Scene) -> None:
    name = scene.endpoint(("all", 3, 4.0))
    endpoint = scene.row(name)
    shadow = dict(endpoint.state["variants"][0], weight=2.0, shadow=True)
    shadow["variant"] = shadow["variant"] | {"VariantName": "shadow"}
    endpoint.state["variants"].append(shadow)
    records.save(scene.server.platform.db, endpoint, 1.0)
    scene.restart()
    scene.settle()
    scene.update(name, scene.config(("all", 3)), canary())
    address = f"{endpoint.account}/{endpoint.region}/{name}"
    router = scene.server.platform.fleets.routers(address)[0]
    weights = {variant.name: variant.weight for variant in router.variants}
    assert weights["shadow"] / weights["all"] == pytest.approx(0.5)
    assert sorted(scene.shares(name).values()) == [0.33, 0.67]
