"""Components come up, get and lose copies, fail and go; a server killed meanwhile goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.fleets import StartError
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.slots import NoRoomError, release, reserve

from .conftest import ROLE, Board, spec

Refused = Callable[..., str]


def test_a_component_comes_up_and_goes(board: Board) -> None:
    host = board.host()
    assert not board.scene.processes.running
    board.scene.processes.gate.clear()
    name = board.create(host, 2)
    board.scene.idle()
    assert (board.status(name), board.leads(name, host)) == ("Creating", False)
    board.scene.processes.gate.set()
    board.settle()
    told = board.describe(name)
    assert told["InferenceComponentStatus"] == "InService"
    assert told["VariantName"] == "all"
    assert told["RuntimeConfig"] == {
        "DesiredCopyCount": 2,
        "CurrentCopyCount": 2,
        "PlacementStatus": [{"InstanceType": "ml.m5.large", "CurrentCopyCount": 2}],
    }
    image = told["Specification"]["Container"]["DeployedImage"]
    assert image["SpecifiedImage"] == image["ResolvedImage"]
    assert board.running(name) == {1: 2}
    assert board.leads(name, host)
    listed = board.call("ListInferenceComponents", EndpointNameEquals=host)["InferenceComponents"]
    assert [each["InferenceComponentName"] for each in listed] == [name]
    assert not board.call("ListInferenceComponents", EndpointNameEquals="other")[
        "InferenceComponents"
    ]
    board.delete(name)
    assert board.status(name) == "Deleting"
    board.settle()
    assert board.row(name) is None
    assert not board.leads(name, host)


def test_copies_that_do_not_start_fail_the_component(board: Board) -> None:
    host = board.host()
    board.scene.processes.trouble["all"] = StartError("no such file")
    name = board.create(host, 2)
    board.settle()
    assert board.status(name) == "Failed"
    reason = board.describe(name)["FailureReason"]
    assert reason.startswith(f"The primary container for inference component {name} did not pass")
    assert board.runtime(name) == (2, 0)
    assert board.slots(name) == {}


def test_the_limits_of_a_start_are_the_components_own_or_those_of_its_variant(
    board: Board,
) -> None:
    """AWS's notebook on scaling components gives them with the variant."""
    host = board.host(
        ModelDataDownloadTimeoutInSeconds=3600, ContainerStartupHealthCheckTimeoutInSeconds=700
    )
    board.component(host)
    assert board.scene.processes.patience["all"] == 700
    own = {"StartupParameters": {"ContainerStartupHealthCheckTimeoutInSeconds": 300}}
    board.create(host, **own)
    board.settle()
    assert board.scene.processes.patience["all"] == 300


def test_copies_without_room_fail_the_component_and_take_none(board: Board) -> None:
    host = board.host(2)
    board.component(host, 2, 6000)
    name = board.create(host, 3, 1500)
    board.settle()
    assert board.status(name) == "Failed"
    reason = board.describe(name)["FailureReason"]
    assert "not enough capacity" in reason
    assert "1500 MB" in reason
    assert board.slots(name) == {}
    fitting = board.component(host, 2, 1500)
    assert board.slots(fitting) == {0: 1, 1: 1}


@pytest.mark.parametrize(
    "required",
    [{"NumberOfCpuCoresRequired": 3}, {"NumberOfAcceleratorDevicesRequired": 1}],
)
def test_what_no_instance_has_fails_the_component(board: Board, required: dict[str, int]) -> None:
    name = board.create(board.host(), **required)
    board.settle()
    assert board.status(name) == "Failed"


def test_copies_come_and_go_in_place(board: Board) -> None:
    name = board.component(board.host(2), 1)
    (first,) = board.scene.processes.running
    for copies in (3, 2, 0, 1):
        board.scale(name, copies)
        assert board.status(name) == "Updating"
        board.settle()
        assert board.status(name) == "InService"
        assert board.runtime(name) == (copies, copies)
        assert sum(board.slots(name).values()) == copies
        assert (first in board.scene.processes.running) == (copies > 0)


def test_copies_that_cannot_come_leave_the_others_alone(board: Board) -> None:
    name = board.component(board.host(), 2, 3000)
    board.scale(name, 3)
    board.settle()
    assert board.status(name) == "InService"
    assert board.runtime(name) == (2, 2)
    assert "not enough capacity" in board.describe(name)["FailureReason"]
    board.scale(name, 1)
    board.settle()
    assert "FailureReason" not in board.describe(name) or not board.describe(name)["FailureReason"]
    board.scene.processes.trouble["all"] = StartError("gone")
    board.scale(name, 2)
    board.settle()
    assert board.runtime(name) == (1, 1)
    assert board.slots(name) == {0: 1}


def test_deleted_while_it_comes_up_or_changes(board: Board) -> None:
    host = board.host()
    steady = board.component(host, 1)
    board.scene.processes.gate.clear()
    coming = board.create(host)
    board.scale(steady, 2)
    board.scene.idle()
    for name in (coming, steady):
        board.delete(name)
    board.scene.processes.gate.set()
    board.settle()
    assert (board.row(coming), board.row(steady)) == (None, None)
    assert not board.scene.processes.running


@pytest.mark.parametrize("moment", ["creating", "serving", "scaling", "deleting", "empty"])
def test_a_killed_server_goes_on(board: Board, moment: str) -> None:
    host = board.host(2)
    other = board.component(host, 1)
    name = "" if moment == "creating" else board.component(host, 2)
    if moment == "empty":
        board.scale(name, 0)
        board.settle()
    board.scene.processes.started.clear()
    if moment != "serving":
        board.scene.processes.gate.clear()
    if moment == "creating":
        name = board.create(host, 2)
    elif moment == "scaling":
        board.scale(name, 3)
    elif moment == "deleting":
        board.delete(name)
    if moment not in ("deleting", "empty"):
        board.scene.idle()
    before = set(board.scene.processes.running)
    board.restart()
    # What ran runs on: the new server has taken it over.
    if moment != "deleting":
        assert before <= board.scene.processes.running
    board.scene.processes.gate.set()
    board.settle()
    expected = {"creating": 2, "serving": 2, "scaling": 3, "empty": 0}
    assert board.status(other) == "InService"
    if moment == "deleting":
        assert board.row(name) is None
        return
    assert board.status(name) == "InService"
    assert board.runtime(name) == (expected[moment], expected[moment])
    assert board.leads(name, host)
    again = [place for place in board.scene.processes.started if place in before]
    assert len(again) <= len(before), "each process starts once at most"


def test_instances_come_with_copies_and_go_with_them(board: Board) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 3}
    host = board.host(1, ManagedInstanceScaling=scaling)
    assert board.instances(host) == 1
    name = board.component(host, 3, 6000)
    assert board.slots(name) == {0: 1, 1: 1, 2: 1}
    assert board.instances(host) == 3
    small = board.component(host, 1, 1000)
    assert board.instances(host) == 3
    board.scale(name, 4)
    board.settle()
    assert board.runtime(name) == (3, 3)
    board.scale(name, 1)
    board.settle()
    assert board.instances(host) <= 2
    board.delete(small)
    board.settle()
    assert board.instances(host) == 1


def test_an_endpoint_without_copies_has_no_instances_where_that_is_allowed(board: Board) -> None:
    host = board.host(1, ManagedInstanceScaling={"MinInstanceCount": 0, "MaxInstanceCount": 2})
    name = board.component(host)
    board.scale(name, 0)
    board.settle()
    assert board.instances(host) == 0
    board.scale(name, 2)
    board.settle()
    assert board.instances(host) == 1


def test_what_a_component_cannot_be(board: Board, refused: Refused) -> None:
    host = board.host()
    both = spec() | {"ModelName": "model"}
    for given, words in (
        ({}, "Specification is required"),
        ({"Specification": both}, "Exactly one of ModelName and Container"),
        ({"Specification": {"ModelName": "model"}}, "ComputeResourceRequirements is required"),
        ({"Specification": spec() | {"BaseInferenceComponentName": "b"}}, "BaseInferenceComponent"),
        ({"Specifications": [spec()]}, "Specifications"),
        ({"Specification": spec(), "VariantName": "none"}, 'Could not find variant "none"'),
        ({"Specification": spec(), "EndpointName": "none"}, "Could not find endpoint"),
        ({"Specification": spec(), "RuntimeConfig": {"CopyCount": 0}}, "larger than 0"),
    ):
        request: dict[str, Any] = {
            "InferenceComponentName": "c",
            "EndpointName": host,
            "RuntimeConfig": {"CopyCount": 1},
        }
        assert words in refused("CreateInferenceComponent", **request | given)
    least = {"MinMemoryRequiredInMb": 1024, "MaxMemoryRequiredInMb": 512}
    given = spec() | {"ComputeResourceRequirements": least}
    message = refused(
        "CreateInferenceComponent",
        InferenceComponentName="c",
        EndpointName=host,
        Specification=given,
        RuntimeConfig={"CopyCount": 1},
    )
    assert "MaxMemoryRequiredInMb 512" in message
    assert board.row("c") is None


def test_endpoints_with_models_take_no_components(board: Board, refused: Refused) -> None:
    endpoint = board.scene.endpoint()
    message = refused(
        "CreateInferenceComponent",
        InferenceComponentName="c",
        EndpointName=endpoint,
        Specification=spec(),
        RuntimeConfig={"CopyCount": 1},
    )
    assert "cannot host inference components" in message
    config = board.host()
    message = refused("UpdateEndpoint", EndpointName=endpoint, EndpointConfigName=config)
    assert "cannot replace each other" in message


def test_an_endpoint_keeps_what_its_components_need(board: Board, refused: Refused) -> None:
    host = board.host(2)
    name = board.component(host, 2)
    assert "while it hosts inference components" in refused("DeleteEndpoint", EndpointName=host)
    fewer = [{"VariantName": "all", "DesiredInstanceCount": 1}]
    message = refused(
        "UpdateEndpointWeightsAndCapacities", EndpointName=host, DesiredWeightsAndCapacities=fewer
    )
    assert "Reduce their copies first" in message
    assert board.scene.status(host) == "InService"
    board.host(3, update=host)
    board.scene.settle()
    assert (board.scene.status(host), board.status(name)) == ("InService", "InService")
    assert board.instances(host) == 3
    assert board.leads(name, host)
    fewer_after = board.host(1)
    message = refused("UpdateEndpoint", EndpointName=host, EndpointConfigName=fewer_after)
    assert "Reduce their copies first" in message
    other = board.host(2, InstanceType="ml.m5.xlarge")
    message = refused("UpdateEndpoint", EndpointName=host, EndpointConfigName=other)
    assert "hosts copies of inference components" in message
    board.scale(name, 1)
    board.settle()
    board.call(
        "UpdateEndpointWeightsAndCapacities", EndpointName=host, DesiredWeightsAndCapacities=fewer
    )
    board.scene.settle()
    assert board.instances(host) == 1


def test_nothing_begins_while_something_is_under_way(board: Board, refused: Refused) -> None:
    name = board.component(board.host(), 1)
    board.scene.processes.gate.clear()
    board.scale(name, 2)
    runtime = {"DesiredRuntimeConfig": {"CopyCount": 1}}
    message = refused(
        "UpdateInferenceComponentRuntimeConfig", InferenceComponentName=name, **runtime
    )
    assert "Cannot update in-progress inference component" in message
    board.scene.processes.gate.set()
    board.settle()
    assert "is required" in refused("UpdateInferenceComponent", InferenceComponentName=name)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ExecutionRoleArn": None}, "ExecutionRoleArn is required"),
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "AsyncInferenceConfig"),
        ({"variant": {"ServerlessConfig": {}}}, "ServerlessConfig"),
        ({"variant": {"ManagedInstanceScaling": {"MinInstanceCount": 3}}}, "InitialInstanceCount"),
        (
            {"variant": {"ManagedInstanceScaling": {"MinInstanceCount": 3, "MaxInstanceCount": 2}}},
            "must not be greater",
        ),
        ({"variant": {"ModelName": "model", "ManagedInstanceScaling": {}}}, "only supported"),
    ],
)
def test_what_a_configuration_for_components_cannot_be(
    refused: Refused, fields: dict[str, Any], words: str
) -> None:
    fields = dict(fields)
    variant = {"VariantName": "all", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    variant |= fields.pop("variant", {})
    request = {"ExecutionRoleArn": ROLE, "ProductionVariants": [variant]} | fields
    given = {key: value for key, value in request.items() if value is not None}
    assert words in refused("CreateEndpointConfig", EndpointConfigName="refused", **given)


def test_no_copy_goes_where_an_instance_is_about_to_go(board: Board) -> None:
    host = board.host(2)
    endpoint = board.scene.row(host)
    (item,) = endpoint.state["variants"]
    component = board.component(host, 1, 6000)
    row = board.row(component)
    assert row is not None
    db = board.scene.server.platform.db
    fewer = ({"variants": [item | {"wanted": 1}]}, {"target": {"variants": [item | {"count": 1}]}})
    for change in fewer:
        before = dict(endpoint.state)
        endpoint.state |= change
        records.save(db, endpoint, 0.0)
        with pytest.raises(NoRoomError):
            reserve(board.scene.server.platform, row, row.state, 2)
        endpoint.state = before
        records.save(db, endpoint, 0.0)
    assert reserve(board.scene.server.platform, row, row.state, 2) == 2
    release(db, row, row.state, 1)


def test_components_have_tags(board: Board) -> None:
    name = board.component(board.host())
    arn = board.describe(name)["InferenceComponentArn"]
    assert arn.endswith(f":inference-component/{name}")
    tags = [{"Key": "team", "Value": "a"}]
    board.call("AddTags", ResourceArn=arn, Tags=tags)
    assert board.call("ListTags", ResourceArn=arn)["Tags"] == tags


def test_an_instance_that_cannot_be_had_fails_the_component(board: Board) -> None:
    scaling = {"MinInstanceCount": 1, "MaxInstanceCount": 2}
    host = board.host(1, ManagedInstanceScaling=scaling)
    injection = board.scene.server.platform.injection
    injection.add({"kind": "capacity", "target": f"endpoint/{host}"})
    name = board.create(host, 2, 6000)
    board.settle()
    injection.clear()
    assert board.status(name) == "Failed"
    assert "InsufficientInstanceCapacity" in board.describe(name)["FailureReason"]
