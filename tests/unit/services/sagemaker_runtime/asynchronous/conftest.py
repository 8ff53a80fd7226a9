"""An asynchronous endpoint without processes, on a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.base.settings import Settings
from sagebrush.engines.fleets import (
    Answer,
    Instance,
    NoSuchFleetError,
    NotReadyError,
    Router,
    Variant,
)
from sagebrush.engines.identity import Identity
from sagebrush.gateway.assembly import assemble
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.async_invocations import invoke_endpoint_async
from sagebrush.services.sagemaker_runtime.asynchronous.queues import Queues, queues_of
from sagebrush.services.sagemaker_runtime.service import SERVICE
from sagebrush.services.served import Served, ServedContainer

ACCOUNT, REGION = "111122223333", "us-east-1"
ADDRESS = f"{ACCOUNT}/{REGION}/e"


class Server:
    """Answers as its scene says, when the gate is open."""

    healthy = True
    outstanding = 0
    incarnation = 1

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.at_once = 0
        self.most_at_once = 0

    async def request(self, message: Any, timeout_s: float) -> Answer:
        scene = self._scene
        whole = message if isinstance(message, bytes) else b"".join(message)
        scene.messages.append(whole)
        scene.timeouts.append(timeout_s)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await scene.gate.wait()
            says = scene.says.pop(0) if len(scene.says) > 1 else scene.says[0]
            if isinstance(says, Exception):
                self.incarnation += scene.replaces
                raise says
            return says
        finally:
            self.at_once -= 1


class Fleets:
    """What queues ask of the fleets engine."""

    def __init__(self) -> None:
        self.on_change: list[Callable[[], None]] = []
        self.published: dict[str, list[Router]] = {}

    @property
    def addresses(self) -> list[str]:
        return list(self.published)

    def routers(self, address: str) -> list[Router]:
        if address not in self.published:
            raise NoSuchFleetError(address)
        return self.published[address]

    def choose(self, address: str, target: str | None = None) -> tuple[Variant, Instance]:
        routers = self.routers(address)
        if not routers:
            raise NotReadyError("coming up")
        return routers[-1].choose(target)


class Scene:
    """One server process; `restart` begins another on the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = ManualClock()
        self.fleets = Fleets()
        self.gate = asyncio.Event()
        self.gate.set()
        self.says: list[Answer | Exception] = [Answer(200, {"content-type": "text/csv"}, b"7")]
        # By how much the number of the process changes with each error.
        self.replaces = 0
        self.messages: list[bytes] = []
        self.timeouts: list[float] = []
        self.config: dict[str, Any] = {
            "OutputConfig": {"S3OutputPath": "s3://b/out/", "S3FailurePath": "s3://b/bad"}
        }
        self._begin()
        self.platform.objects.buckets.create(ACCOUNT, REGION, "b", 0.0)

    def _begin(self) -> None:
        self.platform = assemble(Settings(data_dir=self._folder, port=0), self.clock)
        self.platform.fleets = self.fleets  # type: ignore[assignment]
        assert SERVICE.migrations is not None
        self.platform.db.migrate("services.sagemaker-runtime", SERVICE.migrations)

    @property
    def queues(self) -> Queues:
        return queues_of(self.platform)

    async def restart(self) -> None:
        """Drop all that is in memory, as kill -9 does, and start again on the same folder."""
        await self.close()
        self.messages.clear()
        self._begin()
        self.queues.refresh()

    async def close(self) -> None:
        tasks = list(self.platform.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.platform.objects.close()
        self.platform.db.close()

    def serve(self, instances: int = 1, created: float = 1.0, **config: Any) -> Variant:
        """Have the endpoint served by so many instances."""
        served = Served(
            *(ACCOUNT, REGION, "e", "config"),
            {"AsyncInferenceConfig": self.config | config} if config is not None else {},
            {"VariantName": "blue"},
            (ServedContainer("", "primary", {}),),
            created=created,
        )
        servers = [
            Instance(number, {"": Server(self)}, f"{number:016}")  # type: ignore[dict-item]
            for number in range(instances)
        ]
        variant = Variant("blue", 1.0, servers, traits=served)
        self.fleets.published[ADDRESS] = [Router([variant])]
        self.queues.refresh()
        return variant

    def withdraw(self) -> None:
        del self.fleets.published[ADDRESS]
        self.queues.refresh()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return what InvokeEndpointAsync answers."""
        principal = Identity(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT, "Root", ACCOUNT)
        context = Context(
            *(self.platform, "sagemaker-runtime", "InvokeEndpointAsync", ACCOUNT, REGION),
            *(principal, "id", self.clock.now(), ""),
        )
        given = {"EndpointName": "e", "Body": b"1,2"} | request
        if "InputLocation" in request and "Body" not in request:
            del given["Body"]
        with self.platform.db.transaction():
            return invoke_endpoint_async(context, given)

    def waiting(self) -> int:
        """Return how many requests are not answered."""
        row = self.platform.db.one("SELECT count(*) AS n FROM sagemaker_async_requests")
        assert row is not None
        return int(row["n"])

    def keys(self, prefix: str = "") -> list[str]:
        return [entry.key for entry in self.platform.objects.list("b", prefix)]

    def read(self, key: str) -> bytes:
        return self.platform.objects.read(self.platform.objects.get("b", key))

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.001)

    async def answered(self) -> None:
        await self.until(lambda: not self.waiting())

    async def pass_time(self, seconds: float) -> None:
        """Advance the clock once everybody who is to sleep does."""
        await asyncio.sleep(0.01)
        self.clock.advance(seconds)
        await asyncio.sleep(0.01)

    def metrics(self, name: str) -> float:
        """Return the sum of a metric of the variant."""
        dimensions = {"EndpointName": "e", "VariantName": "blue"}
        return sum(bucket.sum for bucket in self.buckets(name, dimensions))

    def buckets(self, name: str, dimensions: dict[str, str]) -> list[Any]:
        now = self.clock.now()
        return self.platform.metrics.statistics(
            ACCOUNT,
            REGION,
            "AWS/SageMaker",
            name,
            dimensions,
            start=0.0,
            end=now + 60,
            period_s=60,
        )

    def topic(self, name: str) -> tuple[str, list[dict[str, Any]]]:
        """Return a topic and the messages that were published to it, as they come."""
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        messages: list[dict[str, Any]] = []
        publish = self.platform.topics.publish

        def published(
            account: str, region: str, topic: str, message: str, *more: Any, **named: Any
        ) -> Any:
            if topic != arn:
                return publish(account, region, topic, message, *more, **named)
            messages.append(orjson.loads(message))
            return None

        self.platform.topics.publish = published  # type: ignore[method-assign]
        return arn, messages


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Return a function that runs a story on a scene of its own."""

    def on_stage(story: Callable[[Scene], Awaitable[None]]) -> None:
        async def scene() -> None:
            given = Scene(tmp_path)
            try:
                async with asyncio.timeout(30):
                    await story(given)
            finally:
                await given.close()

        asyncio.run(scene())

    return on_stage
