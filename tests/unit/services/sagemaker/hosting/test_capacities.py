"""UpdateEndpointWeightsAndCapacities: in place, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.fleets import StartError
from sagebrush.services.sagemaker.hosting import records

from .conftest import Scene


def test_weights_count_at_once(scene: Scene) -> None:
    name = scene.endpoint(("a", 1), ("b", 1))
    config = scene.row(name).state["config_name"]
    started = len(scene.processes.started)
    scene.capacity(name, ("a", 3.0, None))
    scene.settle()
    assert scene.traffic(name) == {(config, "a"): 0.75, (config, "b"): 0.25}
    told = scene.describe(name)
    assert told["EndpointStatus"] == "InService"
    assert [each["CurrentWeight"] for each in told["ProductionVariants"]] == [3.0, 1.0]
    assert len(scene.processes.started) == started


def test_instances_come_up_before_they_count(scene: Scene) -> None:
    name = scene.endpoint(("a", 1), ("b", 2))
    scene.processes.gate.clear()
    scene.capacity(name, ("a", None, 3), ("b", 2.0, 1))
    scene.idle()
    told = scene.describe(name)
    assert told["EndpointStatus"] == "Updating"
    assert "PendingDeploymentSummary" not in told
    a, b = told["ProductionVariants"]
    assert (a["CurrentInstanceCount"], a["DesiredInstanceCount"]) == (1, 3)
    assert a["VariantStatus"][0]["Status"] == "Updating"
    assert a["VariantStatus"][0]["StatusMessage"] == "Scaling out desired instance count to 3."
    assert (b["CurrentInstanceCount"], b["DesiredInstanceCount"]) == (2, 1)
    assert b["VariantStatus"][0]["StatusMessage"] == "Scaling in desired instance count to 1."
    scene.processes.gate.set()
    scene.settle()
    a, b = scene.describe(name)["ProductionVariants"]
    assert (a["CurrentInstanceCount"], b["CurrentInstanceCount"]) == (3, 1)
    assert "VariantStatus" not in a
    scene.assert_nothing_is_left_over()


@pytest.mark.parametrize("killed", [False, True])
def test_instances_that_do_not_come_up_leave_everything_as_it_was(
    scene: Scene, no_instance: StartError, killed: bool
) -> None:
    name = scene.endpoint(("a", 1), ("b", 1), ("c", 2))
    config = scene.row(name).state["config_name"]
    scene.processes.trouble["b"] = no_instance
    scene.processes.gate.clear()
    scene.capacity(name, ("a", 4.0, 2), ("b", None, 2), ("c", None, 1))
    scene.idle()
    if killed:
        scene.restart()
    # `b` that served already comes back after a restart, since it never ended.
    scene.processes.gate.set()
    scene.settle()
    told = scene.describe(name)
    assert told["EndpointStatus"] == "InService"
    assert "no such luck" in told["FailureReason"]
    assert [
        (each["CurrentWeight"], each["CurrentInstanceCount"]) for each in told["ProductionVariants"]
    ] == [(1.0, 1), (1.0, 1), (1.0, 2)]
    assert set(scene.traffic(name)) == {(config, "a"), (config, "b"), (config, "c")}


def test_a_change_goes_on_after_a_kill(scene: Scene) -> None:
    name = scene.endpoint(("a", 1), ("b", 3))
    scene.processes.gate.clear()
    scene.capacity(name, ("a", 2.0, 3), ("b", None, 1))
    scene.idle()
    scene.restart()
    assert scene.status(name) == "Updating"
    scene.processes.gate.set()
    scene.settle()
    told = scene.describe(name)
    assert [
        (each["CurrentWeight"], each["CurrentInstanceCount"]) for each in told["ProductionVariants"]
    ] == [(2.0, 3), (1.0, 1)]


def test_a_killed_server_goes_on_rolling_back(scene: Scene) -> None:
    name = scene.endpoint(("a", 2))
    endpoint = scene.row(name)
    endpoint.state["change"] = {"since": 1.0, "before": {"a": [1.0, 2]}}
    endpoint.status = "RollingBack"
    records.save(scene.server.platform.db, endpoint, 1.0)
    scene.restart()
    scene.settle()
    assert scene.status(name) == "InService"
    assert "change" not in scene.row(name).state


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        ({"VariantName": "z", "DesiredWeight": 1.0}, 'Could not find variant "z"'),
        ({"VariantName": "a", "DesiredWeight": 0.0}, "At least one production variant"),
        ({"VariantName": "a", "DesiredInstanceCount": 0}, "must be at least 1"),
        ({"VariantName": "a"}, "Neither DesiredWeight nor DesiredInstanceCount"),
        (
            {"VariantName": "a", "ServerlessUpdateConfig": {"MaxConcurrency": 1}},
            "ServerlessUpdateConfig",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    scene: Scene, refused: Callable[..., str], desired: dict[str, Any], words: str
) -> None:
    name = scene.endpoint(("a", 1))
    assert words in refused(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName=name,
        DesiredWeightsAndCapacities=[desired],
    )
    assert scene.status(name) == "InService"


def test_a_variant_is_changed_once_at_a_time(scene: Scene, refused: Callable[..., str]) -> None:
    name = scene.endpoint(("a", 1))
    twice = [{"VariantName": "a", "DesiredWeight": weight} for weight in (1.0, 2.0)]
    assert "given twice" in refused(
        "UpdateEndpointWeightsAndCapacities", EndpointName=name, DesiredWeightsAndCapacities=twice
    )


def test_how_requests_are_routed_is_described(scene: Scene) -> None:
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    name = scene.endpoint(("a", 1))
    assert scene.describe(name)["ProductionVariants"][0]["RoutingConfig"] is None
    scene.update(name, scene.config(("a", 1), RoutingConfig=routing))
    assert scene.describe(name)["ProductionVariants"][0]["RoutingConfig"] == routing


def test_an_asynchronous_endpoint_may_have_no_instances(scene: Scene) -> None:
    name = scene.endpoint(("a", 1))
    endpoint = scene.row(name)
    endpoint.state["config"]["AsyncInferenceConfig"] = {"OutputConfig": {}}
    records.save(scene.server.platform.db, endpoint, 1.0)
    assert scene.describe(name)["AsyncInferenceConfig"] == {"OutputConfig": {}}
    scene.capacity(name, ("a", None, 0))
    scene.settle()
    assert scene.describe(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    scene.assert_nothing_is_left_over()
    scene.capacity(name, ("a", None, 1))
    scene.settle()
    assert scene.describe(name)["ProductionVariants"][0]["CurrentInstanceCount"] == 1
