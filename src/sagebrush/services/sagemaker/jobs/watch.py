"""Running processes: their logs, checkpoints and metrics carried over until they end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from sagebrush.run.records import Exit
from sagebrush.run.supervisor import Handle, Lost
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.jobs.checkpoints import CheckpointSync
from sagebrush.services.sagemaker.jobs.host_metrics import HostMetrics
from sagebrush.services.sagemaker.jobs.hosts import hosts_of
from sagebrush.services.sagemaker.jobs.logs import LogCollector
from sagebrush.services.sagemaker.jobs.prepare import (
    STOP_GRACE_S,
    checkpoint_folder,
    job_directory,
)
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.training_requests import interruption_times_s


class Watch:
    """Follows the processes of one attempt."""

    def __init__(self, platform: Platform, job: TrainingJob, stop: asyncio.Event) -> None:
        self._platform = platform
        self._job = job
        self._stop = stop
        self._directory = job_directory(platform, job)
        self._hosts = hosts_of(job.request, self._directory)

    async def follow(self, found: Handle | Exit | Lost) -> Exit | Lost:
        """Return how the processes ended, once all they wrote is carried over.

        Raises:
            JobFailure: checkpoints have nowhere to go.
        """
        over = asyncio.Event()
        metrics = HostMetrics(self._platform, self._job, self._directory, self._hosts)
        following = [asyncio.create_task(work) for work in self._carriers(over)]
        aside = self._aside(found, metrics)
        try:
            ended = await found.wait() if isinstance(found, Handle) else found
            over.set()
            await asyncio.gather(*following)
        finally:
            for task in (*following, *aside):
                task.cancel()
        if isinstance(ended, Exit):
            metrics.conclude(ended)
        return ended

    def _carriers(self, over: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        names = [host.name for host in self._hosts]
        collector = LogCollector(self._platform, self._job, self._directory, names)
        carriers: list[Coroutine[Any, Any, None]] = [collector.follow(over)]
        if "CheckpointConfig" in self._job.request:
            carriers.append(self._checkpoints().follow(over))
        return carriers

    def _aside(self, found: Handle | Exit | Lost, metrics: HostMetrics) -> list[asyncio.Task[None]]:
        if not isinstance(found, Handle):
            return []
        work: list[Coroutine[Any, Any, None]] = [self._stop_when_told(found), metrics.follow()]
        after_s = self._interruption_s()
        if after_s is not None:
            work.append(self._interrupt(found, after_s))
        if self._job.request.get("EnableManagedSpotTraining"):
            work.append(self._interrupt_by_fault(found))
        return [asyncio.create_task(item) for item in work]

    def _checkpoints(self) -> CheckpointSync:
        folders = {host.name: checkpoint_folder(self._job, host) for host in self._hosts}
        sync = CheckpointSync(self._platform, self._job, self._directory, folders)
        sync.recall()
        return sync

    async def _stop_when_told(self, handle: Handle) -> None:
        await self._stop.wait()
        handle.stop(STOP_GRACE_S)

    def _interruption_s(self) -> float | None:
        times_s = interruption_times_s(self._job.request)
        number = self._job.progress.interruptions
        return times_s[number] if number < len(times_s) else None

    async def _interrupt_by_fault(self, handle: Handle) -> None:
        """Interrupt the job as soon as its user wants to see that."""
        target = f"training-job/{self._job.name}"
        fault = await self._platform.injection.interruption(self._job.account, target)
        await self._interrupt(handle, fault.options.get("delay_s", 0.0))

    async def _interrupt(self, handle: Handle, after_s: float) -> None:
        await asyncio.sleep(after_s)

        def apply(job: TrainingJob) -> None:
            if job.status == "InProgress":
                job.progress.ending = "interrupt"

        records.change(self._platform.db, self._job.id, apply)
        handle.stop(STOP_GRACE_S, archive=False)
