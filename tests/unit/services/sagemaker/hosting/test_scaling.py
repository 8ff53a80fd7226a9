"""Variants as Application Auto Scaling sees them, and what that keeps them from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import StartError
from sagebrush.services.capacities import Scalable
from sagebrush.services.sagemaker.hosting.scaling import InstanceCounts, ProvisionedConcurrencies

from .conftest import ACCOUNT, REGION, Scene

PLACE = (ACCOUNT, REGION)


def resource(name: str, variant: str = "a") -> str:
    return f"endpoint/{name}/variant/{variant}"


def begin(scene: Scene, adapter: InstanceCounts, name: str, capacity: int) -> None:
    """Begin to give variant a of an endpoint so many instances."""

    async def change() -> None:
        with scene.server.platform.db.transaction():
            adapter.set(*PLACE, resource(name), capacity)

    scene.server.run(change())


@pytest.fixture
def adapter(scene: Scene) -> InstanceCounts:
    return InstanceCounts(scene.server.platform)


def test_capacity_is_changed_as_by_the_operation(scene: Scene, adapter: InstanceCounts) -> None:
    name = scene.endpoint(("a", 1), ("b", 2))
    assert adapter.find(*PLACE, resource(name)) == Scalable(1, 1, 1, active=True)
    scene.processes.gate.clear()
    begin(scene, adapter, name, 3)
    scene.idle()
    assert scene.status(name) == "Updating"
    assert adapter.find(*PLACE, resource(name)) == Scalable(1, 3, 1, active=False)
    with pytest.raises(ApiError, match="in-progress"):
        begin(scene, adapter, name, 4)
    scene.processes.gate.set()
    assert scene.server.run(adapter.settled(*PLACE, resource(name))) is None
    assert scene.status(name) == "InService"
    assert adapter.find(*PLACE, resource(name)) == Scalable(3, 3, 1, active=True)
    assert adapter.find(*PLACE, resource(name, "b")) == Scalable(2, 2, 1, active=True)


def test_what_came_to_nothing_is_told(
    scene: Scene, adapter: InstanceCounts, no_instance: StartError
) -> None:
    name = scene.endpoint(("a", 1))
    scene.processes.trouble["a"] = no_instance
    begin(scene, adapter, name, 2)
    told = scene.server.run(adapter.settled(*PLACE, resource(name)))
    assert "no such luck" in told
    assert adapter.find(*PLACE, resource(name)) == Scalable(1, 1, 1, active=True)


def test_what_there_is_none_of(scene: Scene, adapter: InstanceCounts) -> None:
    name = scene.endpoint(("a", 1))
    for given in (resource(name, "c"), resource("none"), f"endpoint/{name}", "inference-component"):
        assert adapter.find(*PLACE, given) is None
        assert list(adapter.quiet(*PLACE, given)) == []
    assert ProvisionedConcurrencies(scene.server.platform).find(*PLACE, resource(name)) is None
    assert "deleted" in scene.server.run(adapter.settled(*PLACE, resource("none")))


def test_quiet_metrics_are_those_of_the_variant(scene: Scene, adapter: InstanceCounts) -> None:
    name = scene.endpoint(("a", 1))
    told = adapter.quiet(*PLACE, resource(name))
    names = ["Invocations", "InvocationsPerInstance", "ConcurrentRequestsPerModel"]
    assert [quiet.datum.name for quiet in told] == names
    for quiet in told:
        assert quiet.namespace == "AWS/SageMaker"
        assert quiet.datum.dimensions == {"EndpointName": name, "VariantName": "a"}
        assert quiet.datum.value == 0.0


def test_a_scaled_variant_stays_and_keeps_its_instance_type(
    scene: Scene, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = scene.endpoint(("a", 1), ("b", 1))
    scaled = (*PLACE, resource(name))
    capacities = scene.server.platform.capacities
    monkeypatch.setattr(capacities, "is_scaled", lambda *given: given == scaled)
    for config in (
        scene.config(("b", 1)),
        scene.config(("a", 1), ("b", 1), InstanceType="ml.m5.xlarge"),
    ):
        message = refused("UpdateEndpoint", EndpointName=name, EndpointConfigName=config)
        assert message == (
            f'The variant(s) ["{resource(name)}"] must be deregistered as scalable targets with AWS'
            " Auto Scaling before they can be removed or have their instance type updated."
        )
    scene.update(name, scene.config(("a", 1)))
    assert scene.status(name) == "InService"


def test_a_deleted_endpoint_tells_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    name = scene.endpoint(("a", 1))
    told: list[Any] = []
    monkeypatch.setattr(
        scene.server.platform.capacities, "on_gone", [lambda *given: told.append(given)]
    )
    scene.call("DeleteEndpoint", EndpointName=name)
    assert told == [(*PLACE, f"endpoint/{name}/")]
    scene.settle()
