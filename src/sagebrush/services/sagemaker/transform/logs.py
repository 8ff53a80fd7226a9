"""A transform job's log streams, and what its instances use of the machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sagebrush.engines.metrics import MetricDatum
from sagebrush.run.records import read_exit, read_shim
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.container_logs import ServerLogs
from sagebrush.services.sagemaker.instances import Instance, instance_of
from sagebrush.services.sagemaker.jobs.host_metrics import tree_usage
from sagebrush.services.sagemaker.jobs.hosts import machine_memory_bytes
from sagebrush.services.sagemaker.transform.records import TransformJob

LOG_GROUP = "/aws/sagemaker/TransformJobs"
NAMESPACE = "/aws/sagemaker/TransformJobs"


class InstanceLogs:
    """The streams and metrics of one instance: its containers' output, and the data log."""

    def __init__(self, platform: Platform, job: TransformJob, ordinal: int) -> None:
        self._platform = platform
        self._job = job
        self._logs = ServerLogs(platform, job.account, job.region, LOG_GROUP)
        identity = hashlib.sha256(f"{job.id}/{job.name}/{ordinal}".encode()).hexdigest()[:16]
        self._host = f"{job.name}/i-0{identity}"
        self._stream = f"{self._host}-{job.progress.log_epoch}"
        size = instance_of(job.request["TransformResources"]["InstanceType"]) or Instance(
            1, 1 << 30
        )
        self._memory_bytes = min(size.memory_bytes, machine_memory_bytes())
        # The directory of the process of each container; when it was looked at, what was used.
        self._directories: dict[str, Path] = {}
        self._before: tuple[float, float] | None = None

    def open(self, containers: Sequence[str]) -> None:
        """Make the containers' streams, so that clients find them before the first line."""
        for container in containers:
            self._platform.logs.ensure_stream(
                self._job.account, self._job.region, LOG_GROUP, self._stream_of(container)
            )

    def tell(self, lines: Sequence[str]) -> None:
        """Add lines to the data log."""
        now = datetime.fromtimestamp(self._platform.clock.now(), UTC)
        head = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}:[sagemaker logs]: "
        self._logs.put(f"{self._stream}/data-log", [head + line for line in lines])

    def server_started(self, container: str, directory: Path) -> None:
        """Follow the output of a container's process."""
        self._directories[container] = directory
        self._before = None
        self._logs.begin(self._stream_of(container), directory)

    async def server_ended(self, directory: Path) -> None:
        """Store the last of a process's output, and its use of the machine over its life."""
        for container, present in list(self._directories.items()):
            if present == directory:
                del self._directories[container]
                self._before = None
                self._conclude(directory)
        await self._logs.end(directory)

    def sample(self) -> None:
        """Store the processes' use of CPUs since the last sample, and their memory now."""
        records = [read_shim(directory) for directory in self._directories.values()]
        members = [record.get("members", {}) for record in records if record]
        running = [pid for each in members for pid in each.values()]
        if not running or not all(records):
            return
        now = self._platform.clock.now()
        used = [tree_usage(pid) for pid in running]
        cpu_s, resident_bytes = sum(each[0] for each in used), sum(each[1] for each in used)
        if self._before is not None and now > self._before[0]:
            self._put((cpu_s - self._before[1]) / (now - self._before[0]), resident_bytes)
        self._before = now, cpu_s

    def _stream_of(self, container: str) -> str:
        return f"{self._stream}/{container}" if container else self._stream

    def _conclude(self, directory: Path) -> None:
        ended = read_exit(directory)
        for fate in ended.members if ended is not None else ():
            if fate.started_at is not None and fate.ended_at is not None:
                duration_s = max(fate.ended_at - fate.started_at, 1e-3)
                self._put((fate.cpu_s or 0.0) / duration_s, fate.memory_peak_bytes)

    def _put(self, cpu_share: float, memory_bytes: int | None) -> None:
        values = {"CPUUtilization": 100 * max(0.0, cpu_share)}
        if memory_bytes is not None:
            values["MemoryUtilization"] = 100 * memory_bytes / self._memory_bytes
        now = self._platform.clock.now()
        data = [
            MetricDatum(name, {"Host": self._host}, now, value, unit="Percent")
            for name, value in values.items()
        ]
        self._platform.metrics.put(self._job.account, self._job.region, NAMESPACE, data)
