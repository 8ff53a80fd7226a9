"""The runner: which transform jobs run, which wait, and what is told to stop.

One per server. It holds nothing that the rows and the jobs' folders do not say: after a restart it
finds running model servers again and goes on behind the last file that was done.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.hosts import machine_cpu_count
from sagebrush.services.sagemaker.transform import records
from sagebrush.services.sagemaker.transform.carry import (
    TransformRun,
    failed,
    jobs_folder,
    remove_folder,
)
from sagebrush.services.sagemaker.transform.records import TransformJob

_WORKER = "sagemaker.transform"
# Below this age a job's first Describe waits for its end, for at most that long.
_YOUNG_S = 10.0
_HOLD_S = 5.0
_RETRY_S = 5.0

_log = logging.getLogger(__name__)


class TransformRunner:
    """Runs the jobs of all accounts and regions, about as many at once as there are CPUs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._runs: dict[int, TransformRun] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._held: set[int] = set()
        self._capacity = max(2, machine_cpu_count())
        self._waking = False
        self._closing = False

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        if not self._waking and not self._closing:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._look)

    async def hold(self, job: TransformJob) -> None:
        """Wait a little for the end of a running young job, once in its life."""
        run = self._runs.get(job.id)
        age_s = self._platform.clock.now() - job.created
        if run is None or job.status == "Stopping" or job.id in self._held or age_s > _YOUNG_S:
            return
        self._held.add(job.id)
        try:
            async with asyncio.timeout(_HOLD_S):
                await run.ended.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """End the model servers; the jobs go on where they are with the next start."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self) -> None:
        self._waking = False
        if self._closing:
            return
        try:
            for job_id, status in records.active_statuses(self._platform.db):
                self._place(job_id, status)
        except sqlite3.Error:
            # A full disk, say: rows cannot be changed now, later they can.
            _log.exception("the transform jobs are looked at again in %s seconds", _RETRY_S)
            asyncio.get_running_loop().call_later(_RETRY_S, self.wake)

    def _place(self, job_id: int, status: str) -> None:
        """Begin a job if there is room or it only has to end; tell one to stop that shall."""
        run = self._runs.get(job_id)
        if run is None and (status == "Stopping" or len(self._runs) < self._capacity):
            run = self._begin(job_id)
        if run is not None and status == "Stopping":
            run.stop.set()

    def _begin(self, job_id: int) -> TransformRun:
        run = self._runs[job_id] = TransformRun(self._platform, job_id)
        self._tasks[job_id] = self._platform.spawn(self._carry(run), f"transform job {job_id}")
        return run

    async def _carry(self, run: TransformRun) -> None:
        delay_s = 0.0
        try:
            await run.carry()
        except sqlite3.Error:
            # A full disk, say. The job is taken up again when there is room.
            _log.exception("transform job %s is left alone for a while", run.job_id)
            delay_s = _RETRY_S
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed job
            _log.exception("transform job %s failed", run.job_id)
            run.end(failed("InternalServerError: We encountered an internal error."))
            await remove_folder(self._platform, run.folder)
        finally:
            self._runs.pop(run.job_id, None)
            self._tasks.pop(run.job_id, None)
            self._held.discard(run.job_id)
            run.ended.set()
            if not self._closing:
                asyncio.get_running_loop().call_later(delay_s, self.wake)


def runner_of(platform: Platform) -> TransformRunner:
    """Return the platform's runner, made now if there is none."""
    runner: TransformRunner | None = platform.workers.get(_WORKER)
    if runner is None:
        runner = platform.workers[_WORKER] = TransformRunner(platform)
        platform.spawn(_remove_leftovers(platform), "leftovers of transform jobs")
    return runner


async def start(platform: Platform) -> None:
    """Take up the jobs of an earlier server where they are."""
    runner_of(platform).wake()


async def stop(platform: Platform) -> None:
    """End the model servers; the jobs go on where they are with the next start."""
    await runner_of(platform).close()


async def _remove_leftovers(platform: Platform) -> None:
    """Remove the folders of jobs that ended before theirs could be removed."""
    folder = jobs_folder(platform)
    found = list(folder.iterdir()) if folder.is_dir() else []
    kept = {str(job_id) for job_id, _ in records.active_statuses(platform.db)}
    for path in found:
        if path.name not in kept:
            await remove_folder(platform, path)
