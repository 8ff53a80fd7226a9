"""What an endpoint's instances use of the machine, as CloudWatch knows it: once a minute.

The developer guide's page on CloudWatch calls them "Endpoint instance metrics"; a serverless
endpoint has its memory only, and containers that are invoked directly have their own, too
(multi-container-direct.md).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

from sagebrush.engines.fleets import Observer, Place
from sagebrush.engines.metrics import MetricDatum
from sagebrush.run.records import read_shim
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import is_serverless
from sagebrush.services.sagemaker.hosting.variants import name_of
from sagebrush.services.sagemaker.instances import Instance, instance_of
from sagebrush.services.sagemaker.jobs.host_metrics import tree_usage
from sagebrush.services.sagemaker.jobs.hosts import machine_memory_bytes

NAMESPACE = "/aws/sagemaker/Endpoints"
_MINUTE_S = 60
# The longest that is filled in at once: a day.
_MAX_MINUTES = 24 * 60
# CPU time is counted in hundredths of a second: over less, shares would be noise.
_SHORTEST_S = 0.5
_WORKER = "sagemaker.hosting.instance metrics"

_log = logging.getLogger(__name__)


class _Variant(NamedTuple):
    memory_bytes: int
    is_serverless: bool
    is_direct: bool


class InstanceMetrics:
    """Has the processes of a fleet sampled as long as they run; tells another observer of all."""

    def __init__(
        self, platform: Platform, endpoint: Resource, state: dict[str, Any], then: Observer
    ) -> None:
        self._sampler = _sampler_of(platform)
        self._endpoint = endpoint
        self._variants = {name_of(item): _variant(item) for item in state["variants"]}
        self._then = then

    def server_started(self, place: Place, directory: Path) -> None:
        """Sample a process from now on."""
        process = _Process(self._endpoint, place, self._variants[place.variant], directory)
        self._sampler.begin(directory, process)
        self._then.server_started(place, directory)

    async def server_ended(self, directory: Path) -> None:
        """Sample a process no longer."""
        self._sampler.end(directory)
        await self._then.server_ended(directory)


class _Process:
    """A model server, and what it had used when it was last looked at."""

    def __init__(
        self, endpoint: Resource, place: Place, variant: _Variant, directory: Path
    ) -> None:
        self.endpoint = endpoint
        self.place = place
        self.variant = variant
        self._directory = directory
        self._seen_s = time.perf_counter()
        self._cpu_s = self._usage()[0]
        self._sample: tuple[float, int] | None = None

    def sample(self) -> tuple[float, int]:
        """Return the CPUs it has used since the last sample, and its memory in bytes."""
        now_s = time.perf_counter()
        elapsed_s = now_s - self._seen_s
        # A clock that is stepped lets minutes pass without any time: nothing to see, then.
        if self._sample is None or elapsed_s >= _SHORTEST_S:
            cpu_s, resident_bytes = self._usage()
            share = max(0.0, cpu_s - self._cpu_s) / max(elapsed_s, _SHORTEST_S)
            self._seen_s, self._cpu_s, self._sample = now_s, cpu_s, (share, resident_bytes)
        return self._sample

    def _usage(self) -> tuple[float, int]:
        members = (read_shim(self._directory) or {}).get("members", {})
        used = [tree_usage(pid) for pid in members.values()]
        return sum(each[0] for each in used), sum(each[1] for each in used)


class _Sampler:
    """Samples all processes of a server: every minute, and before metrics are read.

    A step of the clock lets many minutes pass at once. They are filled in when somebody looks, so
    that it need not stop at each.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._processes: dict[Path, _Process] = {}
        self._told = 0
        self._runs = False
        platform.metrics.before_read.append(self.fill)

    def begin(self, directory: Path, process: _Process) -> None:
        self.fill()
        self._processes[directory] = process
        if not self._runs:
            self._runs = True
            self._platform.spawn(self._run(), _WORKER, looks_on=True)

    def end(self, directory: Path) -> None:
        if directory in self._processes:
            self.fill()
            del self._processes[directory]

    def fill(self) -> None:
        """Store a value for each whole minute since this was done last."""
        minute = int(self._platform.clock.now() // _MINUTE_S)
        first, self._told = max(self._told, minute - _MAX_MINUTES), minute
        if first >= minute:
            return
        # An instance is as many processes as it has containers.
        instances: dict[str, list[_Process]] = {}
        for process in self._processes.values():
            instances.setdefault(process.place.instance_key, []).append(process)
        with self._platform.db.atomically():
            for processes in instances.values():
                self._put(processes, range(first, minute))

    async def _run(self) -> None:
        try:
            while self._processes:
                await asyncio.sleep(_MINUTE_S)
                try:
                    self.fill()
                except (OSError, sqlite3.Error):
                    # A full disk, say: the next minute's will be there when it is not.
                    _log.exception("what endpoints use is not told for a minute")
        finally:
            self._runs = False

    def _put(self, processes: list[_Process], minutes: range) -> None:
        endpoint, place, variant = processes[0].endpoint, processes[0].place, processes[0].variant
        dimensions = {"EndpointName": endpoint.name, "VariantName": place.variant}
        used = [process.sample() for process in processes]
        values = _shares(used, variant)
        if not variant.is_serverless:
            disk = shutil.disk_usage(self._platform.settings.data_dir)
            values["DiskUtilization"] = 100 * disk.used / disk.total
        told = [(dimensions, values)]
        if variant.is_direct:
            told += [
                (dimensions | {"ContainerName": process.place.container}, _shares([each], variant))
                for process, each in zip(processes, used, strict=True)
            ]
        data = [
            MetricDatum(name, whose, float(minute * _MINUTE_S), value, unit="Percent")
            for minute in minutes
            for whose, shares in told
            for name, value in shares.items()
        ]
        self._platform.metrics.put(endpoint.account, endpoint.region, NAMESPACE, data)


def _shares(used: list[tuple[float, int]], variant: _Variant) -> dict[str, float]:
    """Return what processes use of their instance together, in percent."""
    resident_bytes = sum(each[1] for each in used)
    values = {"MemoryUtilization": 100 * resident_bytes / variant.memory_bytes}
    if not variant.is_serverless:
        values["CPUUtilization"] = 100 * sum(each[0] for each in used)
    return values


def _sampler_of(platform: Platform) -> _Sampler:
    found: _Sampler | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = _Sampler(platform)
    return found


def _variant(item: dict[str, Any]) -> _Variant:
    variant, is_direct = item["variant"], item.get("mode") == "Direct"
    if is_serverless(variant):
        memory_bytes = variant["ServerlessConfig"]["MemorySizeInMB"] << 20
        return _Variant(memory_bytes, is_serverless=True, is_direct=is_direct)
    size = instance_of(variant["InstanceType"]) or Instance(1, 1 << 30)
    memory_bytes = min(size.memory_bytes, machine_memory_bytes())
    return _Variant(memory_bytes, is_serverless=False, is_direct=is_direct)
