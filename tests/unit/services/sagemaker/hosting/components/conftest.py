"""Components on endpoints whose model servers are told how to behave (see the folder above)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.services.sagemaker.conftest import KMEANS
from tests.unit.services.sagemaker.hosting.conftest import ACCOUNT, REGION, Scene

from sagebrush.engines.fleets import NoSuchFleetError
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.running import components_of
from sagebrush.services.sagemaker.hosting.components.versions import places, versions_of
from sagebrush.services.sagemaker.hosting.records import Resource

ROLE = "arn:aws:iam::111122223333:role/SageMakerRole"
_names = itertools.count()


class Board:
    """The components of a scene, and what can be seen of them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.call = scene.call

    def host(self, count: int = 1, *, update: str = "", **fields: Any) -> str:
        """Create an endpoint for components: `ml.m5.large` has 2 virtual CPUs and 8 GiB."""
        name = f"host-{next(_names)}"
        variant = {
            "VariantName": "all",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count,
        } | fields
        self.call(
            "CreateEndpointConfig",
            EndpointConfigName=name,
            ExecutionRoleArn=ROLE,
            ProductionVariants=[variant],
        )
        if update:
            self.call("UpdateEndpoint", EndpointName=update, EndpointConfigName=name)
        else:
            self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=name)
        self.scene.settle()
        return name

    def create(self, endpoint: str, copies: int = 1, memory_mb: int = 1024, **fields: Any) -> str:
        """Begin to create a component and return its name."""
        name = f"component-{next(_names)}"
        self.call(
            "CreateInferenceComponent",
            InferenceComponentName=name,
            EndpointName=endpoint,
            Specification=spec(memory_mb, **fields),
            RuntimeConfig={"CopyCount": copies},
        )
        return name

    def component(self, endpoint: str, copies: int = 1, memory_mb: int = 1024) -> str:
        """Create a component, wait until it serves and return its name."""
        name = self.create(endpoint, copies, memory_mb)
        self.settle()
        assert self.status(name) == "InService", self.describe(name)
        return name

    def scale(self, name: str, copies: int) -> None:
        """Ask for another number of copies."""
        self.call(
            "UpdateInferenceComponentRuntimeConfig",
            InferenceComponentName=name,
            DesiredRuntimeConfig={"CopyCount": copies},
        )

    def update(self, name: str, memory_mb: int = 1024, policy: Any = None, **fields: Any) -> None:
        """Ask for another version."""
        if policy is not None:
            fields["DeploymentConfig"] = policy
        self.call(
            "UpdateInferenceComponent",
            InferenceComponentName=name,
            Specification=spec(memory_mb),
            **fields,
        )
        self.scene.idle()

    def delete(self, name: str) -> None:
        self.call("DeleteInferenceComponent", InferenceComponentName=name)

    def row(self, name: str) -> Resource | None:
        db = self.scene.server.platform.db
        return records.find(db, records.INFERENCE_COMPONENT, ACCOUNT, REGION, name)

    def status(self, name: str) -> str:
        component = self.row(name)
        return "" if component is None else component.status

    def describe(self, name: str) -> dict[str, Any]:
        return self.call("DescribeInferenceComponent", InferenceComponentName=name)

    def runtime(self, name: str) -> tuple[int, int]:
        """Return how many copies are wanted and how many there are."""
        told = self.describe(name)["RuntimeConfig"]
        return told["DesiredCopyCount"], told["CurrentCopyCount"]

    def running(self, name: str) -> dict[int, int]:
        """Return how many copies run by generation."""
        component = self.row(name)
        if component is None:
            return {}
        processes = self.scene.processes.running
        return {
            version["generation"]: sum(place in processes for place in places(component, version))
            for version in versions_of(component)
        }

    def slots(self, name: str) -> dict[int, int]:
        """Return how many copies are on which instances."""
        rows = self.scene.server.platform.db.all(
            "SELECT instance FROM sagemaker_component_copies WHERE component = ?", (name,)
        )
        return dict(Counter(row["instance"] for row in rows))

    def traffic(self, name: str, number: int = 600) -> dict[int, float]:
        """Return which part of some requests each generation gets, rounded."""
        component = self.row(name)
        assert component is not None
        endpoint = component.request["EndpointName"]
        seen: Counter[int] = Counter()
        for _ in range(number):
            address = f"{ACCOUNT}/{REGION}/{endpoint}#{name}"
            fleet = self.scene.server.platform.fleets._routes.choose(address)
            self.scene.server.platform.fleets.router(fleet).choose()
            seen[int(fleet.rpartition("/")[2])] += 1
        return {key: round(count / number, 2) for key, count in sorted(seen.items())}

    def leads(self, name: str, endpoint: str) -> bool:
        """Whether requests for a component go anywhere."""
        try:
            self.scene.server.platform.fleets.routers(f"{ACCOUNT}/{REGION}/{endpoint}#{name}")
        except NoSuchFleetError:
            return False
        return True

    def instances(self, endpoint: str) -> int:
        (variant,) = self.scene.describe(endpoint)["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"]
        return int(variant["CurrentInstanceCount"])

    def settle(self) -> None:
        """Return once nothing is under way."""
        components = components_of(self.scene.server.platform)
        self.scene.server.until(lambda: components.idle)

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.scene.restart()

    def assert_nothing_is_left_over(self) -> None:
        """Check that the copies that run are those that the rows ask for, and so is their room."""
        self.settle()
        db = self.scene.server.platform.db
        alive = records.with_status(db, records.INFERENCE_COMPONENT, ("InService", "Updating"))
        wanted = {
            place
            for component in alive
            for version in versions_of(component)
            for place in places(component, version)
        }
        running = self.scene.processes.running
        self.scene.server.until(
            lambda: {place for place in running if "/component/" in place.fleet} == wanted
        )
        row = db.one("SELECT count(*) AS number FROM sagemaker_component_copies")
        assert row is not None
        assert row["number"] == len(wanted)


def spec(memory_mb: int = 1024, **fields: Any) -> dict[str, Any]:
    """Return the specification of a component."""
    required = {"MinMemoryRequiredInMb": memory_mb}
    for name in ("NumberOfCpuCoresRequired", "NumberOfAcceleratorDevicesRequired"):
        if name in fields:
            required[name] = fields.pop(name)
    return {"Container": {"Image": KMEANS}, "ComputeResourceRequirements": required} | fields


@pytest.fixture
def board(scene: Scene) -> Iterator[Board]:
    """The scene's components, checked and deleted afterwards."""
    board = Board(scene)
    yield board
    scene.processes.gate.set()
    scene.processes.trouble.clear()
    board.settle()
    board.assert_nothing_is_left_over()
    rows = scene.server.platform.db.all(
        "SELECT name FROM sagemaker_hosting WHERE kind = 'inference-component'"
    )
    for row in rows:
        board.delete(row["name"])
    board.settle()
    board.assert_nothing_is_left_over()
