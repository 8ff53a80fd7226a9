"""One job from its row to its end: prepare, watch, finish, attempt by attempt."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sagebrush.base.errors import ConfigurationError, StateError
from sagebrush.run.environments import BuildError
from sagebrush.run.families import StartError
from sagebrush.run.records import Exit
from sagebrush.run.supervisor import Handle, Lost
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.images import training_image
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.jobs.finish import (
    STOPPED,
    Outcome,
    failed,
    outcome_of,
    upload,
)
from sagebrush.services.sagemaker.jobs.hosts import hosts_of
from sagebrush.services.sagemaker.jobs.logs import LogCollector
from sagebrush.services.sagemaker.jobs.prepare import (
    STOP_GRACE_S,
    job_directory,
    prepare,
    specification,
    thread_share,
)
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.runtimes import runtime_of


class JobRun:
    """A job that this server carries. `stop` asks it to end, `ended` says that it has."""

    def __init__(self, platform: Platform, job_id: int, *, beside: int) -> None:
        self.job_id = job_id
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()
        self._platform = platform
        self._beside = beside

    async def carry(self) -> None:
        """Carry the job to its end."""
        job = self._job()
        try:
            handle = self._adopted(job) or await self._started()
        except JobFailure as failure:
            self.end(failed(str(failure)))
            return
        if handle is None:
            self.end(STOPPED)
            return
        ended = await self._watched(handle)
        await self._finish(ended)

    def _job(self) -> TrainingJob:
        job = records.job_by_id(self._platform.db, self.job_id)
        if job is None:
            raise StateError(f"training job {self.job_id} has no row")
        return job

    def _adopted(self, job: TrainingJob) -> Handle | Exit | Lost | None:
        """Return what an earlier server left of the job's processes; None if it started none."""
        if not job.progress.attempt:
            return None
        try:
            found = self._platform.supervisor.adopt(job_directory(self._platform, job))
        except StateError:
            return None
        if job.secondary_status in ("Starting", "Downloading"):
            # Started, but the server died before it could say so.
            self._advance("Training", _TRAINING)
        return found

    async def _started(self) -> Handle | None:
        """Prepare and start the processes; None when the job was told to stop meanwhile."""
        job = self._begin_attempt()
        image = training_image(job.request)
        collector = self._collector(job)
        collector.open()
        try:
            runtime = await runtime_of(self._platform, image.environment, collector.tell)
        except (BuildError, ConfigurationError) as error:
            raise JobFailure(f"InternalServerError: {error}") from error
        if self.stop.is_set():
            return None
        job = self._advance("Downloading", "Downloading input data", starts=True)
        prepared = await prepare(self._platform, job)
        threads = thread_share(prepared.hosts, self._beside)
        spec = specification(self._platform, job, image, runtime, prepared, threads)
        if self.stop.is_set():
            return None
        try:
            handle = await self._platform.supervisor.start(spec)
        except StartError as error:
            raise JobFailure(f"InternalServerError: {error}") from error
        self._advance("Training", _TRAINING)
        return handle

    def _begin_attempt(self) -> TrainingJob:
        now = self._platform.clock.now()

        def apply(job: TrainingJob) -> None:
            job.progress.attempt += 1
            job.progress.log_epoch = int(now)
            job.progress.log_offsets = {}
            if job.status != "Stopping":
                records.advance(job, "Starting", "Preparing the instances for training", now)

        return records.change(self._platform.db, self.job_id, apply)

    def _advance(self, secondary: str, message: str, *, starts: bool = False) -> TrainingJob:
        now = self._platform.clock.now()

        def apply(job: TrainingJob) -> None:
            if starts:
                job.progress.attempt_started = now
                job.started = job.started or now
            if job.status != "Stopping" or secondary == "Uploading":
                records.advance(job, secondary, message, now)

        return records.change(self._platform.db, self.job_id, apply)

    def _collector(self, job: TrainingJob) -> LogCollector:
        directory = job_directory(self._platform, job)
        hosts = [host.name for host in hosts_of(job.request, directory)]
        return LogCollector(self._platform, job, directory, hosts)

    async def _watched(self, handle: Handle | Exit | Lost) -> Exit | Lost:
        """Follow the processes to their end, and their logs to the last line."""
        over = asyncio.Event()
        following = asyncio.create_task(self._collector(self._job()).follow(over))
        stopping = asyncio.create_task(self._stop_when_told(handle))
        try:
            ended = await handle.wait() if isinstance(handle, Handle) else handle
            over.set()
            await following
            return ended
        finally:
            stopping.cancel()
            following.cancel()

    async def _stop_when_told(self, handle: Handle | Exit | Lost) -> None:
        await self.stop.wait()
        if isinstance(handle, Handle):
            handle.stop(STOP_GRACE_S)

    async def _finish(self, ended: Exit | Lost) -> None:
        job = self._job()
        directory = job_directory(self._platform, job)
        hosts = hosts_of(job.request, directory)
        if isinstance(ended, Lost):
            outcome = failed(_LOST)
        else:
            outcome = outcome_of(ended, job.progress.ending, directory, hosts)
            self._advance("Uploading", "Uploading generated training model")
            try:
                await upload(self._platform, job, directory, hosts, outcome)
            except JobFailure as failure:
                outcome = failed(str(failure))
        self.end(outcome)
        await asyncio.to_thread(_remove, directory)

    def end(self, outcome: Outcome) -> None:
        """Write the job's end into its row."""
        now = self._platform.clock.now()

        def apply(job: TrainingJob) -> None:
            job.progress.failure_reason = outcome.reason
            records.advance(job, outcome.secondary, outcome.message, now, status=outcome.status)

        records.change(self._platform.db, self.job_id, apply)
        self.ended.set()


_TRAINING = "Training image download completed. Training in progress."
_LOST = (
    "InternalServerError: The processes of the training job ended without a trace: the machine was"
    " restarted or they were killed."
)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
