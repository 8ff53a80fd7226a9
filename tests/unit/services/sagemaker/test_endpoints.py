"""Endpoints between any two steps: the row is the truth, processes follow it.

The engine for fleets is one that has no processes and remembers what it was told.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    NotReadyError,
    Observer,
    Place,
    Router,
    StartError,
    Variant,
    VariantPlan,
)
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.deployments import deployments_of

ACCOUNT = "111122223333"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
_names = itertools.count()


class Fleets:
    """What endpoints ask of the fleets engine, without processes."""

    def __init__(self) -> None:
        self.up: dict[str, Router] = {}
        self.addresses: dict[str, str] = {}
        self.trouble: dict[str, Exception] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.deployed: list[str] = []
        # The addresses that were published when the last deployment began.
        self.expected: set[str] = set()
        self.plans: list[VariantPlan] = []
        self.retired: list[str] = []
        self.scaled: list[tuple[str, int]] = []
        self.kept: list[Place] = []

    def publish(self, address: str, *names: str, shares: Sequence[float] = ()) -> None:
        self.addresses[address] = names[0]

    def withdraw(self, address: str) -> None:
        self.addresses.pop(address, None)

    def router(self, name: str) -> Router:
        if name not in self.up:
            raise NotReadyError("starting")
        return self.up[name]

    async def deploy(self, name: str, plans: Sequence[VariantPlan], observer: Observer) -> None:
        self.deployed.append(name)
        self.expected = set(self.addresses)
        self.plans = list(plans)
        await self.gate.wait()
        for plan in plans:
            if plan.name in self.trouble:
                raise self.trouble[plan.name]
        self.up[name] = Router([Variant(plan.name, plan.weight) for plan in plans])

    async def scale(self, name: str, variant_name: str, count: int) -> None:
        self.scaled.append((variant_name, count))
        await self.gate.wait()
        if variant_name in self.trouble:
            raise self.trouble[variant_name]

    async def retire(self, name: str, places: Iterable[Place]) -> None:
        self.retired.append(name)
        self.up.pop(name, None)

    def leftovers(self, kept: Iterable[Place]) -> list[Path]:
        self.kept = list(kept)
        return []

    async def end_leftovers(self, folders: Iterable[Path]) -> None:
        assert not list(folders)

    async def stop_all(self, grace_s: float) -> None:
        self.up.clear()


class Scene:
    """A server whose fleets are fake, and one configuration per call."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.fleets = server.platform.fleets = Fleets()
        server.call("CreateModel", ModelName="model", PrimaryContainer={"Image": KMEANS})

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return dict(self.server.call(operation, **request))

    def config(self, *names: str, model: str = "model", **fields: Any) -> str:
        name = f"config-{next(_names)}"
        variants = [
            {
                "VariantName": variant,
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
            | fields
            for variant in names or ("all",)
        ]
        self.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants)
        return name

    def create(self, name: str, config: str | None = None) -> None:
        given = config or self.config()
        self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=given)

    def status(self, name: str) -> str:
        return str(self.describe(name)["EndpointStatus"])

    def describe(self, name: str) -> dict[str, Any]:
        return self.call("DescribeEndpoint", EndpointName=name)

    def settle(self) -> None:
        """Let everything in the background come to its end."""
        deployments = deployments_of(self.server.platform)
        self.server.until(lambda: deployments.idle)

    def serving(self, name: str) -> list[Variant]:
        address = f"{ACCOUNT}/{self.server.region}/{name}"
        return self.fleets.router(self.fleets.addresses[address]).variants

    def restart(self, *, held: bool = False) -> None:
        """Drop all that is in memory, as kill -9 does, and start again on the same folder.

        With `held`, model servers do not come up before the gate is opened.
        """
        self.server.abandon()
        platform, fleets = self.server.start, Fleets()
        fleets.trouble = self.fleets.trouble
        if held:
            fleets.gate.clear()
        import sagebrush.gateway.assembly as assembly

        original = assembly.Fleets
        assembly.Fleets = lambda *_: fleets  # type: ignore[assignment,misc]
        try:
            platform()
        finally:
            assembly.Fleets = original  # type: ignore[misc]
        self.fleets = fleets


@pytest.fixture
def scene(own_server: Any) -> Iterator[Scene]:
    scene = Scene(own_server)
    yield scene
    scene.fleets.gate.set()


def refused(scene: Scene, operation: str, **request: Any) -> str:
    with pytest.raises(ApiError) as caught:
        scene.call(operation, **request)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_create_endpoint_goes_from_creating_to_in_service(scene: Scene) -> None:
    scene.fleets.gate.clear()
    scene.create("Life", scene.config("a", "b"))
    before = scene.describe("Life")
    assert before["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in before
    assert [one["VariantName"] for one in before["PendingDeploymentSummary"]["ProductionVariants"]]
    scene.fleets.gate.set()
    scene.settle()
    told = scene.describe("Life")
    assert told["EndpointStatus"] == "InService"
    assert told["EndpointArn"].endswith(":endpoint/life")
    assert told["LastModifiedTime"] >= told["CreationTime"]
    summary = told["ProductionVariants"][0]
    assert summary["DeployedImages"][0]["SpecifiedImage"] == KMEANS
    assert (summary["CurrentWeight"], summary["DesiredWeight"]) == (1.0, 1.0)
    assert (summary["CurrentInstanceCount"], summary["DesiredInstanceCount"]) == (1, 1)
    assert [variant.name for variant in scene.serving("Life")] == ["a", "b"]


def test_create_endpoint_that_is_refused_starts_nothing(scene: Scene) -> None:
    scene.create("once")
    config = scene.config()
    message = refused(scene, "CreateEndpoint", EndpointName="once", EndpointConfigName=config)
    assert message.startswith("Cannot create already existing endpoint ")
    assert "Could not find endpoint configuration" in refused(
        scene, "CreateEndpoint", EndpointName="other", EndpointConfigName="none"
    )
    scene.settle()
    assert len(scene.fleets.deployed) == 1


def test_an_update_waits_for_the_servers_to_come_back(scene: Scene) -> None:
    scene.create("soon", scene.config("old"))
    scene.settle()
    scene.restart(held=True)
    scene.server.until(lambda: bool(scene.fleets.deployed))
    scene.call("UpdateEndpoint", EndpointName="soon", EndpointConfigName=scene.config("new"))
    scene.server.run(asyncio.sleep(0.01))
    assert len(scene.fleets.deployed) == 1
    scene.fleets.gate.set()
    scene.settle()
    assert [variant.name for variant in scene.serving("soon")] == ["new"]
    assert scene.fleets.retired == scene.fleets.deployed[:1]


def test_a_request_that_is_rolled_back_starts_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    server = scene.server
    config = scene.config()
    handler = server.registry.handler("sagemaker", "CreateEndpoint")
    request = {"EndpointName": "never", "EndpointConfigName": config}

    async def half() -> None:
        with server.platform.db.transaction():
            handler(server.context("CreateEndpoint"), request)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        server.run(half())
    scene.settle()
    assert scene.fleets.deployed == []
    assert caplog.records == []
    assert "Could not find endpoint" in refused(scene, "DescribeEndpoint", EndpointName="never")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (StartError("Customer Error: no model"), "Its last line: Customer Error: no model"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("a defect"), "InternalServerError: RuntimeError: a defect"),
        (StartError("x" * 5000), "xxx"),
    ],
)
def test_whatever_goes_wrong_fails_the_endpoint(
    scene: Scene, trouble: Exception, words: str
) -> None:
    scene.fleets.trouble["all"] = trouble
    scene.create("failing")
    scene.settle()
    told = scene.describe("failing")
    assert told["EndpointStatus"] == "Failed"
    assert words in told["FailureReason"]
    assert len(told["FailureReason"]) <= 1024
    assert scene.fleets.addresses == {}
    for operation, request in (
        ("UpdateEndpoint", {"EndpointConfigName": scene.config()}),
        ("UpdateEndpointWeightsAndCapacities", {"DesiredWeightsAndCapacities": []}),
    ):
        assert "Cannot update failed endpoint" in refused(
            scene, operation, EndpointName="failing", **request
        )
    scene.call("DeleteEndpoint", EndpointName="failing")
    scene.settle()
    assert "Could not find endpoint" in refused(scene, "DescribeEndpoint", EndpointName="failing")


@pytest.mark.parametrize(
    "trouble", [StartError("no"), OSError(28, "No space left"), ApiError("X", "no image")]
)
def test_an_update_that_fails_leaves_the_old_fleet(scene: Scene, trouble: Exception) -> None:
    config = scene.config("old")
    scene.create("steady", config)
    scene.settle()
    scene.fleets.trouble["new"] = trouble
    for _ in range(2):
        scene.call("UpdateEndpoint", EndpointName="steady", EndpointConfigName=scene.config("new"))
        scene.settle()
        told = scene.describe("steady")
        assert (told["EndpointStatus"], told["EndpointConfigName"]) == ("InService", config)
        assert told["FailureReason"]
        assert [variant.name for variant in scene.serving("steady")] == ["old"]
    # No generation is used twice, and what failed is cleared away.
    assert len(set(scene.fleets.deployed)) == 3
    assert scene.fleets.retired == scene.fleets.deployed[1:]


def test_update_endpoint_swaps_and_retires(scene: Scene) -> None:
    scene.create("swap", scene.config("old"))
    scene.settle()
    scene.fleets.gate.clear()
    new = scene.config("new")
    scene.call("UpdateEndpoint", EndpointName="swap", EndpointConfigName=new)
    assert scene.describe("swap")["PendingDeploymentSummary"]["EndpointConfigName"] == new
    assert [variant.name for variant in scene.serving("swap")] == ["old"]
    for operation, request in (
        ("UpdateEndpoint", {"EndpointConfigName": new}),
        ("UpdateEndpointWeightsAndCapacities", {"DesiredWeightsAndCapacities": []}),
        ("DeleteEndpoint", {}),
    ):
        assert "Cannot update in-progress endpoint" in refused(
            scene, operation, EndpointName="swap", **request
        )
    scene.fleets.gate.set()
    scene.settle()
    assert [variant.name for variant in scene.serving("swap")] == ["new"]
    assert scene.fleets.retired == scene.fleets.deployed[:1]


@pytest.mark.parametrize("moment", ["creating", "in service", "updating", "deleting"])
def test_an_endpoint_is_taken_up_wherever_the_server_died(scene: Scene, moment: str) -> None:
    if moment == "creating":
        scene.fleets.gate.clear()
    scene.create("kept", scene.config("old"))
    if moment == "creating":
        scene.server.until(lambda: bool(scene.fleets.deployed))
    else:
        scene.settle()
    if moment == "updating":
        scene.fleets.gate.clear()
        scene.call("UpdateEndpoint", EndpointName="kept", EndpointConfigName=scene.config("new"))
        scene.server.until(lambda: len(scene.fleets.deployed) == 2)
    if moment == "deleting":
        endpoint = records.find(
            scene.server.platform.db, records.ENDPOINT, ACCOUNT, scene.server.region, "kept"
        )
        assert endpoint is not None
        endpoint.status = "Deleting"
        records.save(scene.server.platform.db, endpoint, 1.0)
    deployed = list(scene.fleets.deployed)
    scene.restart()
    scene.settle()
    # The processes that may still run are not taken for leftovers.
    assert {place.fleet for place in scene.fleets.kept} == set(deployed)
    if moment == "deleting":
        assert scene.fleets.deployed == []
        assert scene.fleets.retired == deployed
        assert "Could not find" in refused(scene, "DescribeEndpoint", EndpointName="kept")
        return
    assert scene.status("kept") == "InService"
    assert scene.fleets.deployed == deployed
    serving = [variant.name for variant in scene.serving("kept")]
    assert serving == ["new" if moment == "updating" else "old"]


def test_requests_are_expected_before_the_servers_are_back(scene: Scene) -> None:
    scene.create("back")
    scene.settle()
    assert scene.fleets.expected == set()
    scene.restart()
    scene.settle()
    assert scene.fleets.expected == {f"{ACCOUNT}/{scene.server.region}/back"}


def test_an_endpoint_whose_servers_do_not_come_back_has_failed(scene: Scene) -> None:
    scene.create("lost")
    scene.settle()
    scene.fleets.trouble["all"] = StartError("the environment is gone")
    scene.restart()
    scene.settle()
    assert scene.status("lost") == "Failed"
    assert "the environment is gone" in scene.describe("lost")["FailureReason"]
    # Nobody waits for what will not come.
    assert scene.fleets.addresses == {}


def test_weights_given_while_the_servers_come_back_hold(scene: Scene) -> None:
    scene.create("weights", scene.config("a", "b"))
    scene.settle()
    scene.restart(held=True)
    scene.server.until(lambda: bool(scene.fleets.deployed))
    desired = [{"VariantName": "a", "DesiredWeight": 0.0}]
    scene.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="weights",
        DesiredWeightsAndCapacities=desired,
    )
    scene.fleets.gate.set()
    scene.settle()
    assert [variant.weight for variant in scene.serving("weights")] == [0.0, 1.0]
    scene.restart()
    scene.settle()
    assert [variant.weight for variant in scene.serving("weights")] == [0.0, 1.0]


def test_an_endpoint_deleted_while_its_servers_come_back_is_gone(scene: Scene) -> None:
    scene.create("short")
    scene.settle()
    scene.restart(held=True)
    scene.server.until(lambda: bool(scene.fleets.deployed))
    scene.call("DeleteEndpoint", EndpointName="short")
    scene.settle()
    assert scene.fleets.up == {}
    assert scene.fleets.addresses == {}
    assert "Could not find endpoint" in refused(scene, "DescribeEndpoint", EndpointName="short")


def test_the_time_to_start_is_the_variants(scene: Scene) -> None:
    config = scene.config(ContainerStartupHealthCheckTimeoutInSeconds=61)
    scene.create("patient", config)
    scene.settle()
    assert scene.fleets.plans[0].start_timeout_s == 61
    scene.create("usual")
    scene.settle()
    assert scene.fleets.plans[0].start_timeout_s == 240


def test_list_endpoints_by_status_name_and_time(scene: Scene) -> None:
    for name in ("b", "a", "c"):
        scene.fleets.trouble = {"all": StartError("no")} if name == "a" else {}
        scene.create(name)
        scene.settle()

    def listed(**request: Any) -> list[str]:
        answer = scene.call("ListEndpoints", **request)
        return [item["EndpointName"] for item in answer["Endpoints"]]

    assert listed() == ["c", "a", "b"]
    assert listed(SortBy="Name", SortOrder="Ascending") == ["a", "b", "c"]
    assert listed(StatusEquals="Failed") == ["a"]
    assert listed(SortBy="Status", SortOrder="Ascending") == ["a", "b", "c"]
    (item,) = scene.call("ListEndpoints", NameContains="A")["Endpoints"]
    assert item["EndpointStatus"] == "Failed"
    assert listed(LastModifiedTimeAfter=item["LastModifiedTime"]) == ["c", "a"]


def test_a_failed_endpoint_keeps_no_files(scene: Scene) -> None:
    bucket = scene.server.bucket(**{"m/one": b"1"})
    source = {"S3Uri": f"s3://{bucket}/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": KMEANS, "ModelDataSource": {"S3DataSource": source}}
    scene.call("CreateModel", ModelName="files", PrimaryContainer=container)
    scene.fleets.trouble["all"] = StartError("no")
    scene.create("failing", scene.config(model="files"))
    scene.settle()
    assert scene.status("failing") == "Failed"
    assert list((scene.server.data / "endpoints").iterdir()) == []


def test_the_files_of_endpoints_that_are_gone_are_cleared_away(scene: Scene) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model_algo-1"))
    bucket = scene.server.bucket(**{"m.tar.gz": buffer.getvalue()})
    container = {"Image": KMEANS, "ModelDataUrl": f"s3://{bucket}/m.tar.gz"}
    scene.call("CreateModel", ModelName="files", PrimaryContainer=container)
    scene.create("files", scene.config(model="files"))
    scene.settle()
    folder = scene.server.data / "endpoints"
    (kept,) = folder.iterdir()
    assert [path.name for path in kept.iterdir()] == ["model_algo-1"]
    # What a killed server may leave: another generation's folder, a half-made one, an archive.
    (folder / "0123456789abcdef").mkdir()
    (folder / "fedcba9876543210.part").mkdir()
    (folder / "fedcba9876543210.part.tar.gz").write_bytes(b"")
    scene.restart()
    scene.settle()
    scene.server.until(lambda: list(folder.iterdir()) == [kept])
    # An update has a copy of its own, and the old one goes.
    config = scene.config(model="files")
    scene.call("UpdateEndpoint", EndpointName="files", EndpointConfigName=config)
    scene.settle()
    (other,) = folder.iterdir()
    assert other != kept
    scene.call("DeleteEndpoint", EndpointName="files")
    scene.settle()
    assert not list(folder.iterdir())
