"""Endpoints on a clock that steps, whose model servers are told how to behave.

Everything but the processes is real: the fleets, their routers, alarms, rows. What runs is
remembered outside of the server, as processes are, so that it outlives one that is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.services.sagemaker.conftest import KMEANS, Server

from sagebrush.base.adjustable_clock import AdjustableClock
from sagebrush.base.clock import Clock
from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Place, StartError
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import places, states_of

ACCOUNT = "111122223333"
REGION = "us-east-1"
_names = itertools.count()


class Processes:
    """The model servers that run, and what is to happen to those that are started."""

    def __init__(self) -> None:
        self.running: set[Place] = set()
        # Those of them that answer pings.
        self.up: set[Place] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        # Variants of which no further instance comes up, with what is said about that.
        self.trouble: dict[str, Exception] = {}
        # What was asked for is lost from now on: the server is dead.
        self.dead = False
        self.started: list[Place] = []
        # How long they were given for their start, by variant.
        self.patience: dict[str, float] = {}

    def end(self, place: Place) -> None:
        """End the process at a place."""
        self.running.discard(place)
        self.up.discard(place)


class FakeInstance:
    """An instance without processes."""

    outstanding = 0

    def __init__(self, processes: Processes, place: Place) -> None:
        self._processes = processes
        self._place = place
        self.ordinal = place.ordinal
        self.key = place.instance_key
        self.servers: dict[str, Any] = {}
        self.healthy = False

    async def start(self, timeout_s: float) -> None:
        processes, place = self._processes, self._place
        if place not in processes.running:
            processes.started.append(place)
            processes.patience[place.variant] = timeout_s
            processes.running.add(place)
        if place not in processes.up:
            await processes.gate.wait()
            if place.variant in processes.trouble:
                raise processes.trouble[place.variant]
        processes.up.add(place)
        self.healthy = True

    async def stop(self, grace_s: float) -> None:
        self.healthy = False
        if not self._processes.dead:
            self._processes.end(self._place)


class SteppedServer(Server):
    """A server whose clock stands still until it is advanced."""

    def clock(self) -> Clock:
        clock = AdjustableClock(self.data / "clock.json")
        if clock.is_real:
            clock.start_at(1_800_000_000.0, 0.0)
        return clock

    def start(self) -> None:
        super().start()
        clock = self.platform.clock
        assert isinstance(clock, AdjustableClock)
        clock.watch(self.platform.tasks)
        # What is taken up again at the start is waited for, too.
        clock._left_alone.clear()

        async def begin() -> None:
            self.platform.alarms.start(self.platform.spawn)

        self.run(begin())


class Scene:
    """Endpoints of one server, and what can be seen of them."""

    def __init__(self, server: SteppedServer, processes: Processes) -> None:
        self.server = server
        self.processes = processes

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return dict(self.server.call(operation, **request))

    def config(self, *variants: tuple[str, int] | tuple[str, int, float], **fields: Any) -> str:
        """Create a configuration of variants: name, number of instances, weight."""
        name = f"config-{next(_names)}"
        given = [
            {
                "VariantName": variant[0],
                "ModelName": "model",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": variant[1],
                "InitialVariantWeight": variant[2] if len(variant) == 3 else 1.0,
            }
            | fields
            for variant in variants or (("all", 1),)
        ]
        self.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=given)
        return name

    def endpoint(self, *variants: Any, **fields: Any) -> str:
        """Create an endpoint, wait until it serves and return its name."""
        name = f"endpoint-{next(_names)}"
        config = self.config(*variants)
        self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=config, **fields)
        self.settle()
        assert self.status(name) == "InService"
        return name

    def update(self, name: str, config: str, policy: Any = None, **fields: Any) -> None:
        if policy is not None:
            fields["DeploymentConfig"] = policy
        self.call("UpdateEndpoint", EndpointName=name, EndpointConfigName=config, **fields)
        self.idle()

    def capacity(self, name: str, *desired: tuple[str, float | None, int | None]) -> None:
        """Ask for other weights and numbers of instances."""
        given = [
            {"VariantName": variant}
            | ({} if weight is None else {"DesiredWeight": weight})
            | ({} if count is None else {"DesiredInstanceCount": count})
            for variant, weight, count in desired
        ]
        self.call(
            "UpdateEndpointWeightsAndCapacities",
            EndpointName=name,
            DesiredWeightsAndCapacities=given,
        )

    def describe(self, name: str) -> dict[str, Any]:
        return self.call("DescribeEndpoint", EndpointName=name)

    def status(self, name: str) -> str:
        return str(self.describe(name)["EndpointStatus"])

    def variant_status(self, name: str) -> tuple[str, str]:
        """Return status and message of the first variant of the deployment under way."""
        pending = self.describe(name)["PendingDeploymentSummary"]["ProductionVariants"][0]
        (status,) = pending["VariantStatus"]
        assert status["StartTime"] <= self.server.platform.clock.now()
        return status["Status"], status["StatusMessage"]

    def advance(self, seconds: float) -> None:
        """Let time pass, event by event."""
        clock = self.server.platform.clock
        assert isinstance(clock, AdjustableClock)
        step = self.server.run(clock.advance(seconds))
        assert not step.unsettled

    def idle(self) -> None:
        """Return once nothing goes on before time does."""
        if self.processes.gate.is_set():
            self.advance(0)
        else:
            self.server.run(asyncio.sleep(0.02))

    def settle(self) -> None:
        """Return once nothing is under way."""
        deployments = deployments_of(self.server.platform)
        self.server.until(lambda: deployments.idle)

    def row(self, name: str) -> Resource:
        found = records.find(self.server.platform.db, records.ENDPOINT, ACCOUNT, REGION, name)
        assert found is not None
        return found

    def traffic(self, name: str, number: int = 1000) -> dict[tuple[str, str], float]:
        """Return which part of some requests each configuration's variants get, rounded."""
        fleets = self.server.platform.fleets
        seen: Counter[tuple[str, str]] = Counter()
        for _ in range(number):
            variant, _ = fleets.choose(f"{ACCOUNT}/{REGION}/{name}")
            seen[variant.traits.config_name, variant.name] += 1
        return {key: round(count / number, 2) for key, count in sorted(seen.items())}

    def shares(self, name: str) -> dict[str, float]:
        """Return which part of the requests each configuration gets."""
        by_config: dict[str, float] = {}
        for (config, _), share in self.traffic(name).items():
            by_config[config] = round(by_config.get(config, 0.0) + share, 2)
        return by_config

    def counts(self, name: str) -> dict[str, int]:
        """Return how many instances run by configuration, of all variants together."""
        endpoint = self.row(name)
        return {
            state["config_name"]: sum(
                place in self.processes.running for place in set(places(endpoint, state))
            )
            for state in states_of(endpoint)
        }

    def alarm(self, name: str, *, breaching: bool) -> None:
        """Create an alarm, or change it, so that it soon is in ALARM or in OK."""
        request = {
            "AlarmName": name,
            "Namespace": "Test",
            "MetricName": name,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "breaching" if breaching else "notBreaching",
        }

        async def put() -> None:
            with self.server.platform.db.transaction():
                self.server.platform.alarms.put_metric_alarm(ACCOUNT, REGION, request)

        self.server.run(put())
        wanted = "ALARM" if breaching else "OK"
        state = self.server.platform.alarms.state
        self.server.until(lambda: state(ACCOUNT, REGION, name) == wanted)
        self.idle()

    def restart(self) -> None:
        """Drop all that is in memory, as kill -9 does, and start again on the same folder."""
        self.processes.dead = True
        self.server.abandon()
        self.processes.dead = False
        self.server.start()
        self.idle()

    def assert_nothing_is_left_over(self) -> None:
        """Check that what runs is exactly what the endpoints' rows ask for."""
        self.settle()
        alive = records.with_status(
            self.server.platform.db,
            records.ENDPOINT,
            ("InService", "Updating", "RollingBack", "UpdateRollbackFailed", "Creating"),
        )
        wanted = {
            place
            for endpoint in alive
            for state in states_of(endpoint)
            for place in places(endpoint, state)
        }
        self.server.until(lambda: self.processes.running == wanted)


@pytest.fixture(scope="module")
def one_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One server for a file of tests."""
    processes = Processes()

    def make(
        _supervisor: Any, _folder: Path, place: Place, _containers: Mapping[str, Any], _o: Any
    ) -> Any:
        return FakeInstance(processes, place)

    async def end(_supervisor: Any, folder: Path, _grace_s: float) -> None:
        for place in list(processes.running):
            if place.folder_name == folder.name:
                processes.end(place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sagebrush.engines.fleets.fleets.make_instance", make)
        patch.setattr("sagebrush.engines.fleets.fleets.end_leftover", end)
        server = SteppedServer(tmp_path_factory.mktemp("stepped"))
        with contextlib.closing(server.loop):
            scene = Scene(server, processes)
            scene.call("CreateModel", ModelName="model", PrimaryContainer={"Image": KMEANS})
            yield scene
            server.stop()


@pytest.fixture
def scene(one_scene: Scene) -> Iterator[Scene]:
    """The server, with nothing wrong; checked afterwards for what nobody needs."""
    yield one_scene
    one_scene.processes.gate.set()
    one_scene.processes.trouble.clear()
    for endpoint in records.with_status(
        one_scene.server.platform.db, records.ENDPOINT, ("Updating", "RollingBack")
    ):
        one_scene.advance(8 * 3600)
        assert one_scene.status(endpoint.name) in ("InService", "UpdateRollbackFailed")
    one_scene.assert_nothing_is_left_over()
    for endpoint in records.with_status(
        one_scene.server.platform.db, records.ENDPOINT, ("InService", "UpdateRollbackFailed")
    ):
        one_scene.call("DeleteEndpoint", EndpointName=endpoint.name)
    one_scene.settle()
    assert not one_scene.processes.running


@pytest.fixture
def refused(scene: Scene) -> Callable[..., str]:
    """Return a function that gives the message of the refusal an operation ends in."""

    def of(operation: str, **request: Any) -> str:
        with pytest.raises(ApiError) as caught:
            scene.call(operation, **request)
        assert caught.value.code == "ValidationException"
        return caught.value.message

    return of


@pytest.fixture
def no_instance() -> StartError:
    """Return what is raised when an instance does not come up."""
    return StartError("no such luck")
