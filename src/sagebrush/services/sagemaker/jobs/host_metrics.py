"""What a job's hosts use of the machine, as CloudWatch knows it: percent, per host, per minute."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sagebrush.engines.metrics import MetricDatum
from sagebrush.run.records import Exit, read_shim
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.hosts import Host, memory_limit_bytes
from sagebrush.services.sagemaker.jobs.logs import NAMESPACE
from sagebrush.services.sagemaker.records import TrainingJob

_INTERVAL_S = 60.0


class HostMetrics:
    """Samples one job's hosts."""

    def __init__(
        self, platform: Platform, job: TrainingJob, directory: Path, hosts: Sequence[Host]
    ) -> None:
        self._platform = platform
        self._job = job
        self._directory = directory
        self._hosts = hosts

    async def follow(self) -> None:
        """Sample every minute until cancelled."""
        before = self._cpu_seconds()
        while True:
            await asyncio.sleep(_INTERVAL_S)
            now = self._cpu_seconds()
            data = []
            for host in self._hosts:
                if host.name in now and host.name in before:
                    used_s, resident_bytes = now[host.name]
                    share = max(0.0, used_s - before[host.name][0]) / _INTERVAL_S
                    data += self._data(host, share, resident_bytes)
            self._put(data)
            before = now

    def conclude(self, ended: Exit) -> None:
        """Store each host's average and peak over its whole run."""
        data = []
        for host in self._hosts:
            fate = next((fate for fate in ended.members if fate.name == host.name), None)
            if fate is None or fate.started_at is None or fate.ended_at is None:
                continue
            duration_s = max(fate.ended_at - fate.started_at, 1e-3)
            share = (fate.cpu_s or 0.0) / duration_s
            data += self._data(host, share, fate.memory_peak_bytes)
        self._put(data)

    def _data(self, host: Host, cpu_share: float, memory_bytes: int | None) -> list[MetricDatum]:
        dimensions = {"Host": f"{self._job.name}/{host.name}"}
        now = self._platform.clock.now()
        memory_limit = memory_limit_bytes(host.size, self._platform.settings)
        values = {"CPUUtilization": 100 * cpu_share, "DiskUtilization": self._disk_percent()}
        if memory_bytes is not None:
            values["MemoryUtilization"] = 100 * memory_bytes / memory_limit
        return [
            MetricDatum(name, dimensions, now, value, unit="Percent")
            for name, value in values.items()
        ]

    def _disk_percent(self) -> float:
        usage = shutil.disk_usage(self._directory)
        return 100 * usage.used / usage.total

    def _put(self, data: Sequence[MetricDatum]) -> None:
        if data:
            self._platform.metrics.put(self._job.account, self._job.region, NAMESPACE, data)

    def _cpu_seconds(self) -> dict[str, tuple[float, int]]:
        """Return CPU seconds used and bytes resident of each host's processes."""
        record = read_shim(self._directory) or {}
        return {name: tree_usage(pid) for name, pid in record.get("members", {}).items()}


def tree_usage(pid: int) -> tuple[float, int]:
    """Return CPU seconds used and bytes resident of a process and all below it."""
    cpu_s, resident_bytes = _process_usage(pid)
    for child in _children(pid):
        child_cpu_s, child_bytes = tree_usage(child)
        cpu_s += child_cpu_s
        resident_bytes += child_bytes
    return cpu_s, resident_bytes


def _process_usage(pid: int) -> tuple[float, int]:
    try:
        text = Path("/proc", str(pid), "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0
    # The name, field 2, may hold spaces and parentheses. Then: 14-17 times, 24 resident pages.
    fields = text.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def _children(pid: int) -> list[int]:
    try:
        text = Path("/proc", str(pid), "task", str(pid), "children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in text.split()]
