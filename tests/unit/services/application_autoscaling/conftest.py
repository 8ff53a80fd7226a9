"""Handlers of Application Auto Scaling over a resource that a test owns, on a clock it moves."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.application_autoscaling.service import SERVICE
from sagebrush.services.capacities import Quiet, Scalable
from sagebrush.services.cloudwatch.service import SERVICE as CLOUDWATCH

ACCOUNT, REGION = "111122223333", "us-east-1"
PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
_TURNS = 40


class Variant:
    """A resource that takes a capacity when its gate is open; it outlives the server."""

    noun = "desired instance count"
    service = "AmazonSageMaker"

    def __init__(self) -> None:
        self.current = self.desired = 1
        self.lowest = 1
        self.exists = True
        self.busy = False
        self.trouble: ApiError | None = None
        self.undone: str | None = None
        self.sets: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def find(self, _account: str, _region: str, resource_id: str) -> Scalable | None:
        if not self.exists or resource_id != PLACE["ResourceId"]:
            return None
        active = not self.busy and self.current == self.desired
        return Scalable(self.current, self.desired, self.lowest, active)

    def set(self, _account: str, _region: str, _resource_id: str, capacity: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.sets.append(capacity)
        self.desired = capacity

    async def settled(self, _account: str, _region: str, _resource_id: str) -> str | None:
        await self.gate.wait()
        if self.undone is not None:
            self.desired = self.current
            return self.undone
        self.current = self.desired
        return None

    def quiet(self, _account: str, _region: str, _resource_id: str) -> Sequence[Quiet]:
        dimensions = {"EndpointName": "e", "VariantName": "v"}
        return [Quiet("AWS/SageMaker", MetricDatum("InvocationsPerInstance", dimensions, value=0))]


class Scene:
    """A server with one resource; `start` is another one on the same data."""

    def __init__(self, make: Callable[[Path], Any], folder: Path, variant: Variant) -> None:
        self._make = make
        self._folder = folder
        self.variant = variant

    async def start(self) -> Scene:
        """Bring a server up."""
        self._handlers = self._make(self._folder)
        self.platform = self._handlers.platform
        self.clock = self._handlers.clock
        self.platform.capacities.offer(PLACE["ScalableDimension"], lambda: self.variant)
        for service in (CLOUDWATCH, SERVICE):
            assert service.start is not None
            await service.start(self.platform)
        return self

    async def kill(self) -> None:
        """End the server without anything being put in order."""
        tasks = [*self.platform.tasks, *self.platform.lookouts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.platform.objects.close()
        self.platform.db.close()

    async def restart(self) -> None:
        """Kill the server and start another at the same time of the clock."""
        now = self.clock.now()
        await self.kill()
        await self.start()
        self.clock.advance(now - self.clock.now())

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Return what an operation on the resource answers."""
        answer = self._handlers.call("application-autoscaling", operation, **PLACE | request)
        return {name: value for name, value in answer.items() if value is not None}

    def refusal(self, operation: str, **request: Any) -> tuple[str, str]:
        """Return code and message of the error an operation ends in."""
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        return caught.value.code, caught.value.message

    def register(self, minimum: int = 1, maximum: int = 10, **more: Any) -> dict[str, Any]:
        return self.call("RegisterScalableTarget", MinCapacity=minimum, MaxCapacity=maximum, **more)

    def track(self, name: str = "track", value: float = 10.0, **more: Any) -> dict[str, Any]:
        """Put a target tracking policy; return what that answers."""
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        configuration = {"TargetValue": value, "PredefinedMetricSpecification": metric} | more
        return self.call(
            "PutScalingPolicy",
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )

    def step(self, name: str, change: int, **more: Any) -> str:
        """Put a step scaling policy of one step upwards; return its ARN."""
        step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": change}
        configuration = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [step]} | more
        return str(
            self.call(
                "PutScalingPolicy",
                PolicyName=name,
                PolicyType="StepScaling",
                StepScalingPolicyConfiguration=configuration,
            )["PolicyARN"]
        )

    def alarm(self, name: str, *actions: str) -> None:
        """Put an alarm that never evaluates to anything by itself."""
        request = {
            "AlarmName": name,
            "AlarmActions": list(actions),
            "Namespace": "none",
            "MetricName": "none",
            "Statistic": "Sum",
            "Period": 86_400,
            "EvaluationPeriods": 1,
            "Threshold": 0.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore",
        }
        with self.platform.db.transaction():
            self.platform.alarms.put_metric_alarm(ACCOUNT, REGION, request)

    def set_alarm(self, name: str, *points: float, state: str = "ALARM") -> None:
        """Give an alarm a state that follows from data points."""
        from sagebrush.engines.alarms.records import Key

        data = orjson.dumps({"recentDatapoints": points}).decode() if points else None
        alarm = self.platform.alarms.store.find(Key(ACCOUNT, REGION, name))
        assert alarm is not None
        with self.platform.db.transaction():
            self.platform.alarms.set_state(alarm, state, "because", data)

    async def fire(self, name: str, *points: float) -> None:
        """Let an alarm go off, and everything that follows."""
        self.set_alarm(name, state="OK")
        self.set_alarm(name, *points)
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that can without time passing."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and what is due then happen."""
        self.clock.advance(seconds)
        await self.settle()

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        """Return the activities, the oldest first."""
        answer = self.call("DescribeScalingActivities", **more)
        return list(answer["ScalingActivities"])[::-1]


@pytest.fixture
def scenario(handlers: Any, tmp_path: Path) -> Callable[[Callable[[Scene], Any]], None]:
    """Return a function that runs a coroutine function over a server of its own."""
    folder = tmp_path / "server"
    folder.mkdir()

    async def play(body: Callable[[Scene], Awaitable[None]]) -> None:
        scene = await Scene(type(handlers), folder, Variant()).start()
        try:
            await body(scene)
        finally:
            await scene.kill()

    def run(body: Callable[[Scene], Any]) -> None:
        assert inspect.iscoroutinefunction(body)
        asyncio.run(play(body))

    return run
