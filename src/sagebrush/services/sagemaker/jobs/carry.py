"""One job from its row to its end: prepare, watch, finish, attempt by attempt."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sagebrush.algorithms import ResolvedImage
from sagebrush.base.errors import ConfigurationError, StateError
from sagebrush.run.environments import BuildError
from sagebrush.run.families import StartError
from sagebrush.run.records import Exit, Reason
from sagebrush.run.spec import ProcessSpec
from sagebrush.run.supervisor import Handle, Lost
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.capacity import available
from sagebrush.services.sagemaker.images import training_image
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.jobs.finish import (
    MAX_WAIT,
    STOPPED,
    Outcome,
    failed,
    internal_error,
    outcome_of,
    upload,
)
from sagebrush.services.sagemaker.jobs.hosts import hosts_of
from sagebrush.services.sagemaker.jobs.logs import LogCollector
from sagebrush.services.sagemaker.jobs.prepare import (
    job_directory,
    prepare,
    specification,
    thread_share,
)
from sagebrush.services.sagemaker.jobs.watch import Watch
from sagebrush.services.sagemaker.records import TrainingJob
from sagebrush.services.sagemaker.runtimes import Runtime, runtime_of
from sagebrush.services.sagemaker.tuning.instances import resources_of_trial
from sagebrush.services.sagemaker.tuning.records import trials_at_once

_TRAINING = "Training image download completed. Training in progress."
_Result = TypeVar("_Result")


class JobRun:
    """A job that this server carries. `stop` asks it to end, `ended` says that it has.

    `beside` is how many other jobs share the machine; `at_end` is called when this one no longer
    does.
    """

    def __init__(
        self, platform: Platform, job_id: int, *, beside: int, at_end: Callable[[], None]
    ) -> None:
        self.job_id = job_id
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()
        self._platform = platform
        self._beside = beside
        self._at_end = at_end

    async def carry(self) -> None:
        """Carry the job to its end, through as many attempts as it takes."""
        waiting = asyncio.create_task(self._stop_after_max_wait())
        try:
            found = await self._adopted()
            outcome: Outcome | None = None
            while outcome is None:
                outcome = await self._attempt(found)
                found = None
        finally:
            waiting.cancel()
        directory = job_directory(self._platform, self._job())
        self.end(outcome)
        await asyncio.to_thread(_remove, directory)

    async def kill(self) -> None:
        """End the job's processes, if there are any, at once."""
        directory = job_directory(self._platform, self._job())
        with contextlib.suppress(StateError):  # none was ever started
            found = self._platform.supervisor.adopt(directory)
            if isinstance(found, Handle):
                await found.kill()
        await asyncio.to_thread(_remove, directory)

    async def break_off(self, reason: str) -> None:
        """Have the job fail, over a defect of the server's."""
        await self.kill()
        self.end(failed(reason))

    def end(self, outcome: Outcome) -> None:
        """Write the job's end into its row."""

        def apply(job: TrainingJob, now: float) -> None:
            job.progress.failure_reason = outcome.reason
            records.advance(job, outcome.secondary, outcome.message, now, status=outcome.status)

        self._change(apply)
        self.ended.set()
        self._at_end()

    async def _attempt(self, found: Handle | Exit | Lost | None) -> Outcome | None:
        """Return how the job ended; None when it is to be tried again."""
        try:
            if found is None:
                spec = None if self.stop.is_set() else await self._unless_stopped(self._prepared())
                if spec is None:
                    return MAX_WAIT if self._job().progress.ending == "wait" else STOPPED
                found = await self._started(spec)
            ended = await Watch(self._platform, self._job(), self.stop).follow(found)
        except JobFailure as failure:
            return failed(str(failure))
        return await self._concluded(ended)

    def _job(self) -> TrainingJob:
        job = records.job_by_id(self._platform.db, self.job_id)
        if job is None:
            raise StateError(f"training job {self.job_id} has no row")
        return job

    def _change(self, apply: Callable[[TrainingJob, float], None]) -> TrainingJob:
        now = self._platform.clock.now()
        return records.change(self._platform.db, self.job_id, lambda job: apply(job, now))

    async def _adopted(self) -> Handle | Exit | Lost | None:
        """Return what an earlier server left of the job's processes; None if it started none."""
        job = self._job()
        if not job.progress.attempt:
            return None
        directory = job_directory(self._platform, job)
        try:
            found = self._platform.supervisor.adopt(directory)
        except StateError:
            await asyncio.to_thread(_remove, directory)
            return None
        if job.secondary_status in ("Starting", "Downloading"):
            # Started, but the server died before it could say so.
            self._advance("Training", _TRAINING)
        return found

    async def _unless_stopped(self, work: Coroutine[Any, Any, _Result]) -> _Result | None:
        """Return what `work` returns, or None, and `work` cancelled, once the job is to stop."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for pending in (task, stopping):
                pending.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)

    async def _prepared(self) -> ProcessSpec:
        job = self._on_available_instances(self._begin_attempt())
        image = training_image(job.request)
        runtime = await self._runtime(job, image)
        job = self._advance("Downloading", "Downloading input data", starts=True)
        try:
            prepared = await prepare(self._platform, job)
        except OSError as error:
            raise JobFailure(f"InternalServerError: Data download failed:{error}") from error
        # A trial shares the machine with those that its tuning job begins a moment later.
        beside = max(self._beside, trials_at_once(self._platform.db, job.id) - 1)
        threads = thread_share(prepared.hosts, beside)
        return specification(self._platform, job, image, runtime, prepared, threads)

    def _on_available_instances(self, job: TrainingJob) -> TrainingJob:
        """Return the job on the first instances that can be had; a trial may have several kinds.

        Raises:
            JobFailure: none can.
        """
        wanted = job.request["ResourceConfig"]
        choices = resources_of_trial(self._platform.db, job.id) or [wanted]
        chosen = available(self._platform, job.account, job.name, choices)
        if chosen != wanted:
            job.request["ResourceConfig"] = chosen
            records.save_request(self._platform.db, job)
        return job

    async def _runtime(self, job: TrainingJob, image: ResolvedImage) -> Runtime:
        directory = job_directory(self._platform, job)
        hosts = [host.name for host in hosts_of(job.request, directory)]
        collector = LogCollector(self._platform, job, directory, hosts)
        collector.open()
        try:
            return await runtime_of(self._platform, image.environment, collector.tell)
        except (BuildError, ConfigurationError) as error:
            raise JobFailure(
                f"InternalServerError: the environment {image.environment.name} of the image cannot"
                f" be built: {error}"
            ) from error

    async def _started(self, spec: ProcessSpec) -> Handle:
        try:
            handle = await self._platform.supervisor.start(spec)
        except StartError as error:
            raise JobFailure(f"InternalServerError: {error}") from error
        self._advance("Training", _TRAINING)
        return handle

    def _begin_attempt(self) -> TrainingJob:
        def apply(job: TrainingJob, now: float) -> None:
            job.progress.attempt += 1
            job.progress.log_epoch = int(now)
            job.progress.log_offsets = {}
            if job.status != "Stopping":
                records.advance(job, "Starting", "Preparing the instances for training", now)

        return self._change(apply)

    def _advance(
        self, secondary: str, message: str, *, status: str | None = None, starts: bool = False
    ) -> TrainingJob:
        def apply(job: TrainingJob, now: float) -> None:
            if starts:
                job.progress.attempt_started = now
                job.started = job.started or now
            if job.status != "Stopping" or secondary == "Uploading":
                records.advance(job, secondary, message, now, status=status)

        return self._change(apply)

    async def _concluded(self, ended: Exit | Lost) -> Outcome | None:
        """Return what ended processes mean for the job, their output sent; None to try again."""
        job = self._job()
        problem = internal_error(ended)
        if job.status == "InProgress" and _is_interruption(job, ended):
            await self._try_again("Interrupted", "Training job interrupted", interruptions=1)
            return None
        if problem is not None and job.status == "InProgress" and _may_retry(job):
            await self._try_again(
                "Restarting", f"Restarting the training job: {problem}", retries=1
            )
            return None
        if isinstance(ended, Lost):
            return (
                STOPPED if job.status == "Stopping" else failed(f"InternalServerError: {problem}")
            )
        directory = job_directory(self._platform, job)
        hosts = hosts_of(job.request, directory)
        outcome = outcome_of(ended, job.progress.ending, directory, hosts)
        status = "Stopping" if outcome.status == "Stopped" else None
        self._advance("Uploading", "Uploading generated training model", status=status)
        try:
            await upload(self._platform, job, directory, hosts, outcome)
        except JobFailure as failure:
            return failed(str(failure))
        return outcome

    async def _try_again(
        self, secondary: str, message: str, *, interruptions: int = 0, retries: int = 0
    ) -> None:
        directory = job_directory(self._platform, self._job())

        def apply(job: TrainingJob, now: float) -> None:
            progress = job.progress
            if progress.attempt_started is not None:
                progress.running_s += now - progress.attempt_started
                progress.attempt_started = None
            progress.interruptions += interruptions
            progress.retries += retries
            progress.ending = ""
            records.advance(job, secondary, message, now)

        self._change(apply)
        await asyncio.to_thread(_remove, directory)

    async def _stop_after_max_wait(self) -> None:
        """End a spot job that waited and ran longer than it may in all."""
        job = self._job()
        limit_s = job.request.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
        if limit_s is None:
            return
        await self._platform.clock.sleep_until(job.created + limit_s)

        def apply(job: TrainingJob, now: float) -> None:
            if job.status == "InProgress":
                records.request_stop(job, now, "wait")

        self._change(apply)
        self.stop.set()


def _is_interruption(job: TrainingJob, ended: Exit | Lost) -> bool:
    stopped = isinstance(ended, Exit) and ended.reason is Reason.STOPPED
    return stopped and job.progress.ending == "interrupt"


def _may_retry(job: TrainingJob) -> bool:
    limit = job.request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    return bool(job.progress.retries < limit)


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
