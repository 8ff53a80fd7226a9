"""The scheduler: one task for each tuning job that is not over.

It holds nothing that the rows do not say: a trial and its training job are written in one
transaction before anything runs, and what came of it is noted once. After a restart the tasks begin
again from the rows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records as training_records
from sagebrush.services.sagemaker import tagging
from sagebrush.services.sagemaker.descriptions import job_arn
from sagebrush.services.sagemaker.jobs.events import observers_of
from sagebrush.services.sagemaker.jobs.training import runner_of
from sagebrush.services.sagemaker.tuning import history, records
from sagebrush.services.sagemaker.tuning.children import outcome_of_child
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.services.sagemaker.tuning.reporting import write_report
from sagebrush.services.sagemaker.tuning.stopping import Stopping, bracket_of
from sagebrush.services.sagemaker.tuning.strategies import next_configuration
from sagebrush.services.sagemaker.tuning.suggester import Suggester, SuggestionError

_WORKER = "sagemaker.tuning"
_RETRY_S = 5.0
_LONGEST_SLEEP_S = 60.0
_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs for more details."

_log = logging.getLogger(__name__)


class TuningScheduler:
    """Carries the tuning jobs of all accounts and regions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._news: dict[int, asyncio.Event] = {}
        self.suggester = Suggester(platform)
        self._closing = False
        observers_of(platform).append(self._child_changed)

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        if not self._closing:
            asyncio.get_running_loop().call_soon(self._look)

    async def close(self) -> None:
        """Let go of the tuning jobs; the next server takes them up."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.suggester.close()

    def _child_changed(self, training_job_id: int) -> None:
        job = records.tuning_job_of(self._platform.db, training_job_id)
        if job is not None and job.id in self._news:
            self._news[job.id].set()

    def _look(self) -> None:
        if self._closing:
            return
        for identifier in records.active_ids(self._platform.db):
            if identifier in self._tasks:
                self._news[identifier].set()
                continue
            news = self._news[identifier] = asyncio.Event()
            run = TuningRun(self._platform, self.suggester, identifier, news)
            self._tasks[identifier] = self._platform.spawn(
                self._carry(run, identifier), f"tuning job {identifier}"
            )

    async def _carry(self, run: TuningRun, identifier: int) -> None:
        try:
            await run.carry()
        except sqlite3.Error:
            _log.exception("tuning job %s is left alone for a while", identifier)
            asyncio.get_running_loop().call_later(_RETRY_S, self.wake)
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed job
            _log.exception("tuning job %s failed", identifier)
            run.fail("InternalServerError: We encountered an internal error.")
        finally:
            self._tasks.pop(identifier, None)
            self._news.pop(identifier, None)


class TuningRun:
    """One tuning job that this server carries."""

    def __init__(
        self, platform: Platform, suggester: Suggester, identifier: int, news: asyncio.Event
    ) -> None:
        self._platform = platform
        self._suggester = suggester
        self._id = identifier
        self._news = news
        self._definitions: list[Definition] = []

    async def carry(self) -> None:
        """Begin trials and note what came of them until the tuning job is over."""
        job = self._job()
        self._definitions = definitions_of(job.request)
        stopping = Stopping(job, self._definitions)
        while not job.is_over:
            self._news.clear()
            self._settle()
            self._stop_losers(stopping)
            while await self._begin_trial():
                pass
            ending = self._ending()
            if ending is None:
                await self._sleep(job)
                job = self._job()
            else:
                # Before the end is told, so that who waits for it finds the report.
                await self._report()
                job = self._end(*ending)

    def fail(self, reason: str) -> None:
        """End the tuning job as failed; its running children are told to stop."""
        self._stop_children()
        self._end("Failed", reason)

    def _job(self) -> TuningJob:
        job = records.job_by_id(self._platform.db, self._id)
        assert job is not None  # it is not deleted before it is over
        return job

    def _settle(self) -> None:
        """Note what came of the trials whose training jobs are over."""
        db = self._platform.db
        for trial in records.trials_of(db, self._id):
            if trial.is_over:
                continue
            with db.transaction():
                child = training_records.job_by_id(db, trial.training_job_id)
                settled = outcome_of_child(trial, child, self._definitions[trial.definition])
                if settled is not None:
                    records.settle_trial(db, settled)

    def _stop_losers(self, stopping: Stopping) -> None:
        trials = records.trials_of(self._platform.db, self._id)
        running = {}
        for trial in trials:
            if not trial.is_over:
                child = training_records.job_by_id(self._platform.db, trial.training_job_id)
                if child is not None and child.status == "InProgress":
                    running[trial.number] = child.progress.curve
        self._stop(stopping.losers(trials, running))

    async def _begin_trial(self) -> bool:
        """Begin one more trial if the tuning job is to have one now."""
        job = self._job()
        trials = records.trials_of(self._platform.db, self._id)
        if not self._may_begin(job, trials):
            return False
        try:
            found = await next_configuration(job, trials, self._definitions, self._suggester)
        except SuggestionError as error:
            self.fail(f"InternalServerError: {error}")
            return False
        # Meanwhile the job may have been stopped, which its row tells.
        job = self._job()
        if found is None or job.status != "InProgress":
            return False
        self._insert(job, len(trials) + 1, *found)
        runner_of(self._platform).wake()
        return True

    def _may_begin(self, job: TuningJob, trials: list[Trial]) -> bool:
        limits = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        running = sum(not trial.is_over for trial in trials)
        return (
            job.status == "InProgress"
            and running < limits["MaxParallelTrainingJobs"]
            and len(trials) < limits["MaxNumberOfTrainingJobs"]
            and not history.reason_to_end(
                job, trials, self._definitions, self._platform.clock.now()
            )
        )

    def _insert(self, job: TuningJob, number: int, definition: int, tuned: dict[str, str]) -> None:
        db, now = self._platform.db, self._platform.clock.now()
        name = f"{job.name}-{number:03d}-{secrets.token_hex(4)}"
        request = self._definitions[definition].training_request(name, tuned)
        with db.transaction():
            child = training_records.insert_job(db, job.account, job.region, name, request, now)
            assert child is not None  # the name is new
            tagging.add_tags(
                db, job_arn(job.account, job.region, name), job.request.get("Tags", ())
            )
            bracket = bracket_of(job, number)
            records.insert_trial(
                db, Trial(job.id, number, child.id, name, definition, tuned, bracket)
            )

    def _ending(self) -> tuple[str, str | None, str] | None:
        """Return how the tuning job ends: status, reason of a failure, why nothing more began.

        None while a trial runs or another one is to begin.
        """
        job = self._job()
        trials = records.trials_of(self._platform.db, self._id)
        reason = history.reason_to_end(job, trials, self._definitions, self._platform.clock.now())
        if job.status == "Stopping" or reason:
            self._stop_children()
        if any(not trial.is_over for trial in trials):
            return None
        if job.status == "Stopping":
            return "Stopped", None, "stop"
        if self._may_begin(job, trials):
            return None
        if trials and all(trial.objective_status == "Failed" for trial in trials):
            return "Failed", _ALL_FAILED, reason
        return "Completed", None, reason

    async def _report(self) -> None:
        trials = records.trials_of(self._platform.db, self._id)
        job = self._job()
        await write_report(self._platform, self._suggester, job, trials, self._definitions)

    def _stop_children(self) -> None:
        trials = records.trials_of(self._platform.db, self._id)
        self._stop([trial for trial in trials if not trial.is_over])

    def _stop(self, trials: list[Trial]) -> None:
        db, now = self._platform.db, self._platform.clock.now()
        stopped = False
        for trial in trials:
            with db.transaction():
                child = training_records.job_by_id(db, trial.training_job_id)
                if child is not None and child.status == "InProgress":
                    training_records.request_stop(child, now)
                    training_records.save(db, child)
                    stopped = True
        if stopped:
            runner_of(self._platform).wake()

    def _end(self, status: str, reason: str | None = None, ending: str = "") -> TuningJob:
        now = self._platform.clock.now()

        def apply(job: TuningJob) -> None:
            job.status = status
            job.modified = job.ended = now
            job.state.failure_reason = reason
            job.state.ending = ending
            if ending == "converged":
                job.state.convergence_detected = now

        return records.change(self._platform.db, self._id, apply)

    async def _sleep(self, job: TuningJob) -> None:
        """Wait for news of a child, or for the end of the tuning job's time."""
        limits: dict[str, Any] = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        timeout_s = _LONGEST_SLEEP_S
        if (runtime_s := limits.get("MaxRuntimeInSeconds")) is not None:
            left_s = job.created + runtime_s - self._platform.clock.now()
            timeout_s = min(timeout_s, max(left_s, 0.05))
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return


def scheduler_of(platform: Platform) -> TuningScheduler:
    """Return the platform's scheduler, made now if there is none."""
    scheduler: TuningScheduler | None = platform.workers.get(_WORKER)
    if scheduler is None:
        scheduler = platform.workers[_WORKER] = TuningScheduler(platform)
    return scheduler


async def start(platform: Platform) -> None:
    """Take up the tuning jobs of an earlier server where they are."""
    scheduler_of(platform).wake()


async def stop(platform: Platform) -> None:
    """Let go of the tuning jobs; the next server takes them up."""
    await scheduler_of(platform).close()
