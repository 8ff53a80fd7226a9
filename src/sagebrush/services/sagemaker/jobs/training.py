"""The runner: which jobs run, which wait, and what is told to stop.

One per server. It holds nothing that the rows and the jobs' directories do not say: after a restart
it finds running processes again and goes on where each job was.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from pathlib import Path

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.jobs import events
from sagebrush.services.sagemaker.jobs.carry import JobRun
from sagebrush.services.sagemaker.jobs.finish import MAX_WAIT, STOPPED, Outcome, failed
from sagebrush.services.sagemaker.jobs.hosts import machine_cpu_count
from sagebrush.services.sagemaker.jobs.prepare import job_directory, jobs_folder
from sagebrush.services.sagemaker.records import TrainingJob

_WORKER = "sagemaker.training"
# Below this age a job's first Describe waits for its end, for at most that long. The SageMaker SDK
# v2 asks first after five seconds.
_YOUNG_S = 10.0
_HOLD_S = 5.0
_RETRY_S = 5.0

_log = logging.getLogger(__name__)


class TrainingRunner:
    """Runs the jobs of all accounts and regions, about as many at once as there are CPUs."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._runs: dict[int, JobRun] = {}
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

    async def hold(self, job: TrainingJob) -> None:
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
        """Let go of the jobs; their processes run on, except where their data do not stay."""
        self._closing = True
        runs, tasks = list(self._runs.values()), list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._platform.settings.ephemeral:
            await asyncio.gather(*(run.kill() for run in runs))

    def _look(self) -> None:
        self._waking = False
        if self._closing:
            return
        try:
            self._place_all()
        except sqlite3.Error:
            # A full disk, say: rows cannot be changed now, later they can.
            _log.exception("the training jobs are looked at again in %s seconds", _RETRY_S)
            asyncio.get_running_loop().call_later(_RETRY_S, self.wake)

    def _place_all(self) -> None:
        for job_id, status, secondary in records.active_statuses(self._platform.db):
            run = self._runs.get(job_id)
            if run is None:
                self._place(job_id, status, secondary)
            elif status == "Stopping":
                run.stop.set()

    def _place(self, job_id: int, status: str, secondary: str) -> None:
        """Begin a job, or have it wait for its turn, or end it if it is told to stop meanwhile."""
        room = self._running_count() < self._capacity
        if secondary == "Pending" and status == "InProgress" and not room:
            return
        job = records.job_by_id(self._platform.db, job_id)
        assert job is not None  # nothing happened since its status was read
        if room or job.progress.attempt:
            self._begin(job)
        elif status == "Stopping":
            self._end_waiting(job_id, STOPPED)
        else:
            self._keep_waiting(job)

    def _running_count(self) -> int:
        return sum(not run.ended.is_set() for run in self._runs.values())

    def _begin(self, job: TrainingJob) -> None:
        beside = self._running_count()
        run = JobRun(self._platform, job.id, beside=beside, at_end=lambda: self._ended(job.id))
        self._runs[job.id] = run
        if job.status == "Stopping":
            run.stop.set()
        task = self._platform.spawn(self._carry(run), f"training job {job.name}")
        self._tasks[job.id] = task

    def _ended(self, job_id: int) -> None:
        """Give the job's room to another one, and tell who waits for its end."""
        events.tell(self._platform, job_id)
        self.wake()

    async def _carry(self, run: JobRun) -> None:
        delay_s = 0.0
        try:
            await run.carry()
        except sqlite3.Error:
            # A full disk, say. The processes go on; they are taken up again when there is room.
            _log.exception("training job %s is left alone for a while", run.job_id)
            delay_s = _RETRY_S
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed job
            _log.exception("training job %s failed", run.job_id)
            await run.kill()
            run.end(failed("InternalServerError: We encountered an internal error."))
        finally:
            self._runs.pop(run.job_id, None)
            self._tasks.pop(run.job_id, None)
            self._held.discard(run.job_id)
            run.ended.set()
            if not self._closing:
                asyncio.get_running_loop().call_later(delay_s, self.wake)

    def _end_waiting(self, job_id: int, outcome: Outcome) -> None:
        now = self._platform.clock.now()

        def apply(job: TrainingJob) -> None:
            records.advance(job, outcome.secondary, outcome.message, now, status=outcome.status)

        records.change(self._platform.db, job_id, apply)
        events.tell(self._platform, job_id)

    def _keep_waiting(self, job: TrainingJob) -> None:
        now = self._platform.clock.now()

        def apply(job: TrainingJob) -> None:
            records.advance(job, "Pending", "Training job waiting for capacity", now)

        records.change(self._platform.db, job.id, apply)
        limit_s = job.request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
        if limit_s is not None:
            work = self._stop_waiting(job.id, job.created + limit_s)
            self._platform.spawn(work, f"longest wait of training job {job.name}")

    async def _stop_waiting(self, job_id: int, moment: float) -> None:
        """End a spot job that has waited as long as it may; one that runs sees to it itself."""
        await self._platform.clock.sleep_until(moment)
        if self._closing or job_id in self._runs:
            return
        job = records.job_by_id(self._platform.db, job_id)
        if job is not None and job.secondary_status == "Pending":
            self._end_waiting(job_id, MAX_WAIT)


def runner_of(platform: Platform) -> TrainingRunner:
    """Return the platform's runner, made now if there is none."""
    runner: TrainingRunner | None = platform.workers.get(_WORKER)
    if runner is None:
        runner = platform.workers[_WORKER] = TrainingRunner(platform)
        platform.spawn(asyncio.to_thread(_remove_all, _leftovers(platform)), "leftover folders")
    return runner


async def start(platform: Platform) -> None:
    """Take up the jobs of an earlier server where they are."""
    runner_of(platform).wake()


def _leftovers(platform: Platform) -> list[Path]:
    """Return the folders of jobs that ended before theirs could be removed."""
    kept = {job_directory(platform, job) for job in records.active_jobs(platform.db)}
    folder = jobs_folder(platform)
    found = folder.iterdir() if folder.is_dir() else ()
    return [directory for directory in found if directory not in kept]


def _remove_all(directories: list[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


async def stop(platform: Platform) -> None:
    """Let go of the jobs; their processes run on, except where their data do not stay."""
    await runner_of(platform).close()
