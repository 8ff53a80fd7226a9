"""The runner: which jobs run, which wait, and what is told to stop.

One per server. It holds nothing that the rows and the jobs' directories do not say: after a restart
it finds running processes again and goes on where each job was.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.job_runs import JobRuns
from sagebrush.services.sagemaker.jobs import events
from sagebrush.services.sagemaker.jobs.carry import JobRun
from sagebrush.services.sagemaker.jobs.finish import MAX_WAIT, STOPPED, Outcome
from sagebrush.services.sagemaker.jobs.prepare import job_directory, jobs_folder
from sagebrush.services.sagemaker.records import TrainingJob

_WORKER = "sagemaker.training"


class TrainingRunner:
    """Runs the jobs of all accounts and regions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.runs: JobRuns[JobRun] = JobRuns(platform, "training job", self._place_all)

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        self.runs.wake()

    async def hold(self, job: TrainingJob) -> None:
        """Wait a little for the end of a running young job, once in its life."""
        await self.runs.hold(job)

    async def close(self) -> None:
        """Let go of the jobs; their processes run on, except where their data do not stay."""
        runs = await self.runs.close()
        if self._platform.settings.ephemeral:
            await asyncio.gather(*(run.kill() for run in runs))

    def _place_all(self) -> None:
        for job_id, status, secondary in records.active_statuses(self._platform.db):
            run = self.runs.of(job_id)
            if run is None:
                self._place(job_id, status, secondary)
            elif status == "Stopping":
                run.stop.set()

    def _place(self, job_id: int, status: str, secondary: str) -> None:
        """Begin a job, or have it wait for its turn, or end it if it is told to stop meanwhile."""
        room = self.runs.have_room
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

    def _begin(self, job: TrainingJob) -> None:
        run = JobRun(
            self._platform, job.id, beside=self.runs.count, at_end=lambda: self._ended(job.id)
        )
        if job.status == "Stopping":
            run.stop.set()
        self.runs.begin(run, job.name)

    def _ended(self, job_id: int) -> None:
        """Give the job's room to another one, and tell who waits for its end."""
        events.tell(self._platform, job_id)
        self.wake()

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
        if self.runs.closing or self.runs.of(job_id) is not None:
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
