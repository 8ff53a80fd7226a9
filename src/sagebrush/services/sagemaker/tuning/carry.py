"""One tuning job from its rows to its end: begin trials, note what came of them, conclude."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import records as training_records
from sagebrush.services.sagemaker import tagging
from sagebrush.services.sagemaker.descriptions import job_arn
from sagebrush.services.sagemaker.jobs.training import runner_of
from sagebrush.services.sagemaker.tuning import history, records
from sagebrush.services.sagemaker.tuning.children import outcome_of_child
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.descriptions import tuning_arn
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.services.sagemaker.tuning.reporting import write_report
from sagebrush.services.sagemaker.tuning.stopping import Stopping, bracket_of
from sagebrush.services.sagemaker.tuning.strategies import next_configuration
from sagebrush.services.sagemaker.tuning.suggester import Suggester, SuggestionError
from sagebrush.services.sagemaker.tuning.transfer import Inherited

_LONGEST_SLEEP_S = 60.0
# While the last trials end after the tuning job's time is over.
_OVERDUE_SLEEP_S = 0.05
_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs for more details."


class TuningRun:
    """One tuning job that this server carries.

    It alone writes the job's trials, and keeps them beside their rows so that news of one trial
    does not cost reading all.
    """

    def __init__(
        self, platform: Platform, suggester: Suggester, identifier: int, news: asyncio.Event
    ) -> None:
        self._platform = platform
        self._suggester = suggester
        self._id = identifier
        self._news = news
        self._definitions: list[Definition] = []
        self._trials: list[Trial] = []
        self._problem = ""

    async def carry(self) -> None:
        """Begin trials and note what came of them until the tuning job is over."""
        job = self._job()
        self._definitions = definitions_of(job.request)
        stopping = Stopping(job, self._definitions)
        self._trials = records.trials_of(self._platform.db, self._id, curves=stopping.is_active)
        inherited = self._inherited(job)
        while not job.is_over:
            self._news.clear()
            self._settle(stopping)
            self._stop_losers(stopping)
            while await self._begin_trial(inherited):
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

    def _inherited(self, job: TuningJob) -> Inherited:
        kind = job.request.get("WarmStartConfig", {}).get("WarmStartType")
        return Inherited(
            self._definitions[0],
            records.inherited_observations(self._platform.db, self._id) if kind else [],
            same_task=kind != "TransferLearning",
        )

    def _settle(self, stopping: Stopping) -> None:
        """Note what came of the trials whose training jobs are over."""
        db = self._platform.db
        settled = False
        for place, trial in enumerate(self._trials):
            if trial.is_over:
                continue
            with db.transaction():
                child = training_records.job_by_id(db, trial.training_job_id)
                outcome = outcome_of_child(trial, child, self._definitions[trial.definition])
                if outcome is None:
                    continue
                # Looked at before it counts, as it would have been had it run on.
                stopping.losers([*self._trials], {trial.number: outcome.curve})
                outcome = replace(outcome, judged=trial.judged, stopped_at=trial.stopped_at)
                records.judge_trial(db, outcome)
                records.settle_trial(db, outcome)
            self._trials[place] = _kept(outcome, curve=stopping.is_active)
            settled = True
        if settled:
            self._note_convergence()

    def _note_convergence(self) -> None:
        """Note when the tuning job converged, whether it is to end then or not."""
        if not history.has_converged(self._trials, self._definitions):
            return
        now = self._platform.clock.now()

        def apply(job: TuningJob) -> None:
            if job.state.convergence_detected is None:
                job.state.convergence_detected = now

        records.change(self._platform.db, self._id, apply)

    def _stop_losers(self, stopping: Stopping) -> None:
        if not stopping.is_active:
            return
        db = self._platform.db
        running: dict[int, list[float | None]] = {}
        for trial in self._trials:
            if not trial.is_over:
                child = training_records.job_by_id(db, trial.training_job_id)
                if child is not None and child.status == "InProgress":
                    running[trial.number] = child.progress.curve
        with db.transaction():
            before = {each.number: each.judged for each in self._trials}
            lost = stopping.losers(self._trials, running)
            for trial in self._trials:
                if trial.judged != before[trial.number]:
                    records.judge_trial(db, trial)
            self._stop(lost)

    async def _begin_trial(self, inherited: Inherited) -> bool:
        """Begin one more trial if the tuning job is to have one now."""
        job = self._job()
        if not self._may_begin(job):
            return False
        try:
            found = await next_configuration(
                job, self._trials, self._definitions, self._suggester, inherited
            )
        except SuggestionError as error:
            self._problem = f"InternalServerError: {error}"
            return False
        # Meanwhile the job may have been stopped, which its row tells.
        job = self._job()
        if found is None or job.status != "InProgress":
            return False
        self._insert(job, len(self._trials) + 1, *found)
        runner_of(self._platform).wake()
        return True

    def _may_begin(self, job: TuningJob) -> bool:
        limits = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        running = sum(not trial.is_over for trial in self._trials)
        return (
            job.status == "InProgress"
            and not self._problem
            and running < limits["MaxParallelTrainingJobs"]
            and len(self._trials) < limits["MaxNumberOfTrainingJobs"]
            and not self._reason_to_end(job)
        )

    def _reason_to_end(self, job: TuningJob) -> str:
        now = self._platform.clock.now()
        return history.reason_to_end(job, self._trials, self._definitions, now)

    def _insert(self, job: TuningJob, number: int, definition: int, tuned: dict[str, str]) -> None:
        """Write a trial and its training job, both or neither."""
        db, now = self._platform.db, self._platform.clock.now()
        name = f"{job.name}-{number:03d}-{secrets.token_hex(4)}"
        request = self._definitions[definition].training_request(name, tuned)
        arn = tuning_arn(job.account, job.region, job.name)
        tags = tagging.tags_of(db, arn)
        with db.transaction():
            child = training_records.insert_job(
                db, job.account, job.region, name, request | {"TuningJobArn": arn}, now
            )
            assert child is not None  # the name is new
            tagging.add_tags(db, job_arn(job.account, job.region, name), tags)
            bracket = bracket_of(job, number)
            trial = Trial(job.id, number, child.id, name, definition, tuned, bracket)
            records.insert_trial(db, trial)
        self._trials.append(trial)

    def _ending(self) -> tuple[str, str | None, str] | None:
        """Return how the tuning job ends: status, reason of a failure, why nothing more began.

        None while a trial runs or another one is to begin.
        """
        job = self._job()
        reason = self._reason_to_end(job)
        if job.status == "Stopping" or reason or self._problem:
            self._stop_children()
        if any(not trial.is_over for trial in self._trials):
            return None
        if self._problem:
            return "Failed", self._problem, "error"
        if job.status == "Stopping":
            return "Stopped", None, "stop"
        if self._may_begin(job):
            return None
        if self._trials and all(trial.objective_status == "Failed" for trial in self._trials):
            return "Failed", _ALL_FAILED, reason
        return "Completed", None, reason

    async def _report(self) -> None:
        trials = records.trials_of(self._platform.db, self._id, curves=True, summaries=True)
        await write_report(self._platform, self._suggester, self._job(), trials, self._definitions)

    def _stop_children(self) -> None:
        with self._platform.db.transaction():
            self._stop([trial for trial in self._trials if not trial.is_over])

    def _stop(self, trials: list[Trial]) -> None:
        """Have trials end; the caller's transaction holds what led to it, too."""
        db, now = self._platform.db, self._platform.clock.now()
        stopped = False
        for trial in trials:
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

        return records.change(self._platform.db, self._id, apply)

    async def _sleep(self, job: TuningJob) -> None:
        """Wait for news of a child, or for the end of the tuning job's time."""
        limits: dict[str, Any] = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        clock, timeout_s = self._platform.clock, _LONGEST_SLEEP_S
        awaited: set[asyncio.Task[Any]] = {asyncio.create_task(self._news.wait())}
        if (runtime_s := limits.get("MaxRuntimeInSeconds")) is not None:
            end = job.created + runtime_s
            if end > clock.now():
                awaited.add(asyncio.create_task(clock.sleep_until(end)))
            else:
                timeout_s = _OVERDUE_SLEEP_S
        try:
            await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in awaited:
                each.cancel()


def _kept(trial: Trial, *, curve: bool) -> Trial:
    """The trial without what only its row needs to hold."""
    return replace(trial, summary=None, curve=trial.curve if curve else [])
