"""What instances use of the machine: a value a minute of the clock, however it passes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.fleets import Place
from sagebrush.engines.metrics import Bucket, MetricStore
from sagebrush.run.records import SHIM_FILE
from sagebrush.services.sagemaker.hosting import instance_metrics, records
from sagebrush.services.sagemaker.hosting.instance_metrics import NAMESPACE, InstanceMetrics
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.jobs.host_metrics import tree_usage
from sagebrush.store.database import Database

ACCOUNT, REGION = "111122223333", "us-east-1"
START = 1_700_000_040.0
BYTES = 1 << 30


class Logs:
    """The observer behind."""

    def __init__(self) -> None:
        self.told: list[Path] = []

    def server_started(self, place: Place, directory: Path) -> None:
        self.told.append(directory)

    async def server_ended(self, directory: Path) -> None:
        self.told.remove(directory)


class Scene:
    """An endpoint of two variants, whose processes use what `usage` says."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.folder = folder
        self.usage: dict[int, tuple[float, int]] = {}
        self.spawned: list[Coroutine[Any, Any, None]] = []
        db = Database(folder / "state.sqlite")
        self.metrics = MetricStore(db, self.clock)
        self.platform: Any = SimpleNamespace(
            db=db,
            clock=self.clock,
            metrics=self.metrics,
            settings=SimpleNamespace(data_dir=folder),
            workers={},
            spawn=lambda work, name, *, looks_on: self.spawned.append(work),
        )
        endpoint = Resource(
            records.ENDPOINT, ACCOUNT, REGION, "shop", "InService", 1.0, 1.0, {}, {}
        )
        rare = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
        variants = [
            {"VariantName": "steady", "InstanceType": "ml.c5.large"},
            {"VariantName": "rare", "ServerlessConfig": rare},
            {"VariantName": "direct", "InstanceType": "ml.c5.large"},
        ]
        self.logs = Logs()
        modes = {"direct": "Direct"}
        items = [{"variant": each, "mode": modes.get(each["VariantName"])} for each in variants]
        state = {"variants": items}
        self.observer = InstanceMetrics(self.platform, endpoint, state, self.logs)

    def start(self, pid: int, place: Place, used: tuple[float, int] = (0.0, BYTES)) -> Path:
        """Start a process."""
        directory = self.folder / str(pid)
        directory.mkdir()
        (directory / SHIM_FILE).write_text(json.dumps({"members": {"server": pid}}))
        self.usage[pid] = used
        self.observer.server_started(place, directory)
        return directory

    def values(self, name: str, variant: str = "steady", container: str = "") -> list[Bucket]:
        """Return the minutes of a metric since the start."""
        dimensions = {"EndpointName": "shop", "VariantName": variant}
        if container:
            dimensions["ContainerName"] = container
        return self.metrics.statistics(
            ACCOUNT, REGION, NAMESPACE, name, dimensions, start=START, end=START + 1e6, period_s=60
        )

    def close(self) -> None:
        """Leave nothing behind."""
        for work in self.spawned:
            work.close()
        self.platform.db.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path)
    monkeypatch.setattr(instance_metrics, "tree_usage", lambda pid: made.usage[pid])
    monkeypatch.setattr(instance_metrics, "machine_memory_bytes", lambda: 16 * BYTES)
    yield made
    made.close()


@pytest.fixture
def real_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let real seconds pass."""
    passed = [100.0]
    monkeypatch.setattr(instance_metrics.time, "perf_counter", lambda: passed[0])

    def let_pass(seconds: float) -> None:
        passed[0] += seconds

    return let_pass


def test_each_minute_has_a_value_of_each_instance(
    scene: Scene, real_s: Callable[[float], None]
) -> None:
    # Taken over from an earlier server: what it used before does not count.
    scene.start(1, Place("f", "steady", 0), (500.0, BYTES))
    scene.start(2, Place("f", "steady", 1))
    real_s(60.0)
    scene.usage = {1: (530.0, 2 * BYTES), 2: (90.0, BYTES)}
    scene.clock.advance(60)
    (cpu,), (memory,), (disk,) = (
        scene.values(f"{name}Utilization") for name in ("CPU", "Memory", "Disk")
    )
    assert (cpu.time, cpu.unit, cpu.count) == (START, "Percent", 2)
    assert (cpu.minimum, cpu.maximum) == pytest.approx((50.0, 150.0))
    # An ml.c5.large has 4 GiB.
    assert (memory.minimum, memory.maximum) == (25.0, 50.0)
    assert 0 < disk.minimum <= 100


def test_the_containers_of_an_instance_count_together(
    scene: Scene, real_s: Callable[[float], None]
) -> None:
    scene.start(1, Place("f", "steady", 0, "one"))
    scene.start(2, Place("f", "steady", 0, "two"))
    real_s(10.0)
    scene.usage = {1: (1.0, BYTES), 2: (2.0, BYTES)}
    scene.clock.advance(60)
    ((cpu,), (memory,)) = scene.values("CPUUtilization"), scene.values("MemoryUtilization")
    assert (cpu.count, cpu.sum) == (1, pytest.approx(30.0))
    assert (memory.count, memory.sum) == (1, 50.0)
    assert scene.values("CPUUtilization", container="one") == []


def test_containers_invoked_directly_have_their_own_share(
    scene: Scene, real_s: Callable[[float], None]
) -> None:
    scene.start(1, Place("f", "direct", 0, "one"))
    scene.start(2, Place("f", "direct", 0, "two"), (0.0, 2 * BYTES))
    real_s(10.0)
    scene.usage = {1: (1.0, BYTES), 2: (2.0, 2 * BYTES)}
    scene.clock.advance(60)
    found = {
        container: [
            scene.values(f"{name}Utilization", "direct", container) for name in ("CPU", "Memory")
        ]
        for container in ("", "one", "two")
    }
    sums = {whose: [bucket.sum for (bucket,) in both] for whose, both in found.items()}
    assert sums == {
        "": [pytest.approx(30.0), 75.0],
        "one": [pytest.approx(10.0), 25.0],
        "two": [pytest.approx(20.0), 50.0],
    }
    assert scene.values("DiskUtilization", "direct", "one") == []


def test_minutes_that_a_step_lets_pass_at_once_are_filled_in(
    scene: Scene, real_s: Callable[[float], None]
) -> None:
    scene.start(1, Place("f", "steady", 0))
    real_s(1.0)
    scene.usage[1] = (0.5, BYTES)
    scene.clock.advance(600)
    assert [bucket.sum for bucket in scene.values("CPUUtilization")] == [50.0] * 10
    real_s(0.001)
    scene.usage[1] = (0.51, BYTES)
    scene.clock.advance(120)
    # Hundredths of a second tell nothing over a thousandth.
    assert [bucket.sum for bucket in scene.values("CPUUtilization")] == [50.0] * 12
    scene.clock.advance(30 * 86_400)
    assert len(scene.values("CPUUtilization")) <= 12 + 24 * 60


def test_what_has_ended_is_told_of_no_longer(scene: Scene) -> None:
    directory = scene.start(1, Place("f", "steady", 0))
    assert scene.logs.told == [directory]
    scene.clock.advance(60)

    async def end_twice() -> None:
        await scene.observer.server_ended(directory)
        scene.logs.told.append(directory)
        await scene.observer.server_ended(directory)

    asyncio.run(end_twice())
    assert scene.logs.told == []
    scene.clock.advance(60)
    assert [bucket.time for bucket in scene.values("MemoryUtilization")] == [START]
    scene.start(2, Place("f", "steady", 0))
    scene.clock.advance(60)
    times = [bucket.time for bucket in scene.values("MemoryUtilization")]
    assert times == [START, START + 120]


def test_serverless_processes_have_their_memory_only(scene: Scene) -> None:
    scene.start(1, Place("f", "rare", 0), (0.0, BYTES // 2))
    scene.clock.advance(60)
    (memory,) = scene.values("MemoryUtilization", "rare")
    assert memory.sum == 50.0
    assert scene.values("CPUUtilization", "rare") == []


def test_real_processes_are_looked_at(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_metrics, "tree_usage", tree_usage)
    scene.start(os.getpid(), Place("f", "steady", 0))
    scene.clock.advance(60)
    (memory,) = scene.values("MemoryUtilization")
    assert memory.sum > 0
