"""The report that a tuning job leaves next to its output."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.objects import BucketNotFound, parse_s3_uri
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.tuning import history
from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.services.sagemaker.tuning.suggester import Suggester
from sagebrush.tuning.report.document import ReportedSearch, ReportedTrial, ReportRequest

FILE_NAME = "tuning-report.html"
_log = logging.getLogger(__name__)


def report_location(job: TuningJob, definitions: Sequence[Definition]) -> str:
    """Return the S3 URI of a tuning job's report: under the output path of its first definition."""
    output = definitions[0].document["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{output}/{job.name}/{FILE_NAME}"


async def write_report(
    platform: Platform,
    suggester: Suggester,
    job: TuningJob,
    trials: Sequence[Trial],
    definitions: Sequence[Definition],
) -> None:
    """Put the report into S3; what keeps it from there is logged and fails nothing."""
    bucket, key = parse_s3_uri(report_location(job, definitions))
    try:
        page = await suggester.report(_request(platform, job, trials, definitions))
        await platform.objects.put_bytes(
            job.account, job.region, bucket, key, page.encode(), content_type="text/html"
        )
    except (BucketNotFound, SagebrushError) as error:
        _log.warning("tuning job %s leaves no report: %s", job.name, error)


def _request(
    platform: Platform, job: TuningJob, trials: Sequence[Trial], definitions: Sequence[Definition]
) -> ReportRequest:
    searches = [
        ReportedSearch(
            title=definition.name or definition.document["AlgorithmSpecification"]["TrainingImage"],
            metric=definition.metric,
            direction=definition.direction,
            space=definition.space,
            trials=[_reported(job, each) for each in trials if each.definition == number],
        )
        for number, definition in enumerate(definitions)
    ]
    facts = _facts(job, trials, definitions, platform.clock.now())
    return ReportRequest(f"Tuning job {job.name}", facts, searches)


def _facts(
    job: TuningJob, trials: Sequence[Trial], definitions: Sequence[Definition], now: float
) -> dict[str, str]:
    config = job.request["HyperParameterTuningJobConfig"]
    counters = history.objective_counters(trials)
    best = history.best_of(trials, definitions)
    facts = {
        "Strategy": config["Strategy"],
        "Objective": f"{definitions[0].direction} {definitions[0].metric}",
        "Trials": f"{len(trials)}: {counters['Succeeded']} with and {counters['Failed']} without"
        " an objective",
        "Created": datetime.fromtimestamp(job.created, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "Time": f"{(job.ended or now) - job.created:.1f} s",
        "Seed": str(job.state.seed),
    }
    if best is not None:
        facts["Best"] = f"{best.objective:.6g} by {best.training_job_name}"
    return facts


def _reported(job: TuningJob, trial: Trial) -> ReportedTrial:
    summary = trial.summary or {}
    started, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    return ReportedTrial(
        number=trial.number,
        name=trial.training_job_name,
        status=summary.get("TrainingJobStatus", "Deleted"),
        hyperparameters=trial.hyperparameters,
        objective=trial.objective,
        started_s=None if started is None else started - job.created,
        duration_s=None if started is None or ended is None else ended - started,
        curve=[value for value in trial.curve if value is not None],
        reason=summary.get("FailureReason", ""),
    )
