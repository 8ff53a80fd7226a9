"""A server's alarms on a clock that the test moves, and what they do, in the order they do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.alarms import AlarmAction, Alarms, HistoryItem, Transition
from sagebrush.engines.alarms.records import Key
from sagebrush.engines.metrics import MetricDatum, MetricStore
from sagebrush.store.database import Database

ACCOUNT, REGION = "111122223333", "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
SCALING = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:p"
# A whole minute.
START = 1_700_000_040.0


class World:
    """Alarms, metrics and clock; `begin` again on the same rows is a restart."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self._path = folder / "state.sqlite"
        self.transitions: list[tuple[str, str, str]] = []
        self.acted: list[AlarmAction] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.open()

    def open(self) -> None:
        """Open the rows as a new server would; nothing is evaluated yet."""
        self.db = Database(self._path)
        self.metrics = MetricStore(self.db, self.clock)
        self.alarms = Alarms(self.db, self.clock, self.metrics)
        self.alarms.actions |= {"sns": self._act, "autoscaling": self._act}
        self.alarms.watch(self._saw)

    def kill(self) -> None:
        """End the server without any goodbye, and open its rows again."""
        for task in self.tasks:
            task.cancel()
        self.db.close()
        self.open()

    def begin(self) -> None:
        """Evaluate from now on; needs a running loop."""
        self.alarms.start(self._spawn)

    async def settle(self) -> None:
        """Let everything happen that waits for no clock."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float, step_s: float = 10.0) -> None:
        """Move the clock, stopping at every step as a stepping clock would."""
        for _ in range(round(seconds / step_s)):
            self.clock.advance(step_s)
            await self.settle()

    def put(
        self, value: float, *, ago_s: float = 0.0, name: str = "m", resolution_s: int = 60
    ) -> None:
        """Store a data point."""
        time = self.clock.now() - ago_s
        datum = MetricDatum(name, timestamp=time, value=value, storage_resolution_s=resolution_s)
        self.metrics.put(ACCOUNT, REGION, "N", [datum])

    def alarm(self, name: str = "a", **members: Any) -> None:
        """Put a metric alarm on metric m: more than 5, one of one minute, unless told."""
        request = {
            "AlarmName": name,
            "Namespace": "N",
            "MetricName": "m",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        self.alarms.put_metric_alarm(ACCOUNT, REGION, request | members)

    def composite(self, name: str = "c", rule: str = "ALARM(a)", **members: Any) -> None:
        """Put a composite alarm."""
        request = {"AlarmName": name, "AlarmRule": rule} | members
        self.alarms.put_composite_alarm(ACCOUNT, REGION, request)

    def find(self, name: str = "a") -> Any:
        """Return an alarm's row."""
        return self.alarms.store.find(Key(ACCOUNT, REGION, name))

    def state(self, name: str = "a") -> str | None:
        """Return an alarm's state."""
        return self.alarms.state(ACCOUNT, REGION, name)

    def force(self, state: str, name: str = "a") -> None:
        """Set an alarm's state as SetAlarmState does."""
        self.alarms.set_state(self.find(name), state, "forced")

    def history(self, name: str = "a", kind: str | None = None) -> list[HistoryItem]:
        """Return an alarm's history, oldest first."""
        kinds = ["MetricAlarm", "CompositeAlarm"]
        return self.alarms.store.history(
            ACCOUNT, REGION, kinds, name=name, type=kind, newest_first=False
        )

    def did(self) -> list[tuple[str, str]]:
        """Return what has been acted upon: alarm and state."""
        return [(action.alarm.name, action.alarm.state) for action in self.acted]

    def _spawn(self, work: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _act(self, action: AlarmAction) -> None:
        self.acted.append(action)

    def _saw(self, transition: Transition) -> None:
        self.transitions.append(
            (transition.alarm.name, transition.old.state, transition.alarm.state)
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return alarms on fresh state."""
    made = World(tmp_path)
    yield made
    made.db.close()


@pytest.fixture
def play(world: World) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Return a function that plays a scene with the alarms evaluating."""

    def run(scene: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            world.begin()
            try:
                await scene()
            finally:
                tasks = list(world.tasks)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(whole())

    return run
