"""Rows of training jobs: the request as it came, and what the platform made of it.

Every change goes through a function here, inside one transaction, so that a row is always
consistent with itself: status, secondary status and the list of transitions change together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from sagebrush.base.errors import StateError
from sagebrush.store.database import Database, Row

TERMINAL = ("Completed", "Failed", "Stopped")
_COLUMNS = (
    "id, account, region, name, status, secondary_status, created, modified, started, ended,"
    " request, progress"
)


@dataclass(slots=True)
class Progress:
    """What became of a job.

    `transitions` and `metrics` are in wire form. `attempt` counts starts of its processes from 1.
    `attempt_started` is when its instances were got, `running_s` sums the seconds of earlier
    attempts.
    `log_epoch` is the suffix of the log streams of this attempt; `log_offsets` the bytes of each
    host's log already in the log store. `ending` says why the processes were told to stop
    (`stop`, `wait`, `interrupt`), else is empty. `interruptions` and `retries` count why there was
    another attempt.
    `curve` holds every value of the metric that is tuned, if there is one; None is not a number.
    """

    transitions: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure_reason: str | None = None
    attempt: int = 0
    interruptions: int = 0
    retries: int = 0
    curve: list[float | None] = field(default_factory=list)
    running_s: float = 0.0
    attempt_started: float | None = None
    log_epoch: int = 0
    log_offsets: dict[str, int] = field(default_factory=dict)
    ending: str = ""


@dataclass(slots=True)
class TrainingJob:
    """One training job. Times are epoch seconds."""

    id: int
    account: str
    region: str
    name: str
    status: str
    secondary_status: str
    created: float
    modified: float
    started: float | None
    ended: float | None
    request: dict[str, Any]
    progress: Progress

    @property
    def is_over(self) -> bool:
        """Whether the job reached its end."""
        return self.status in TERMINAL


def _job(row: Row) -> TrainingJob:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row iterates over values
    values["request"] = orjson.loads(values["request"])
    values["progress"] = Progress(**orjson.loads(values["progress"]))
    return TrainingJob(**values)


def insert_job(
    db: Database, account: str, region: str, name: str, request: dict[str, Any], now: float
) -> TrainingJob | None:
    """Add a new job in status InProgress and return it; None when the name is taken."""
    progress = Progress(transitions=[_transition("Starting", "Starting the training job", now)])
    cursor = db.execute(
        "INSERT INTO sagemaker_training_jobs (account, region, name, status, secondary_status,"
        " created, modified, request, progress) VALUES (?, ?, ?, 'InProgress', 'Starting', ?, ?,"
        " ?, ?) ON CONFLICT DO NOTHING",
        (account, region, name, now, now, orjson.dumps(request), orjson.dumps(asdict(progress))),
    )
    if not cursor.rowcount:
        return None
    identifier = cursor.lastrowid or 0
    return TrainingJob(
        identifier, account, region, name, "InProgress", "Starting",
        now, now, None, None, request, progress,
    )  # fmt: skip


def find_job(db: Database, account: str, region: str, name: str) -> TrainingJob | None:
    """Return the job of that name, or None."""
    row = db.one(
        f"SELECT {_COLUMNS} FROM sagemaker_training_jobs"
        " WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )
    return _job(row) if row else None


def job_by_id(db: Database, identifier: int) -> TrainingJob | None:
    """Return the job, or None when it was deleted."""
    row = db.one(
        f"SELECT {_COLUMNS} FROM sagemaker_training_jobs WHERE id = ?",
        (identifier,),
    )
    return _job(row) if row else None


def active_jobs(db: Database) -> list[TrainingJob]:
    """Return every job that has not reached its end, oldest first."""
    rows = db.all(
        f"SELECT {_COLUMNS} FROM sagemaker_training_jobs"
        " WHERE status IN ('InProgress', 'Stopping') ORDER BY id"
    )
    return [_job(row) for row in rows]


def active_statuses(db: Database) -> list[tuple[int, str, str]]:
    """Return id, status and secondary status of every job not at its end, oldest first."""
    rows = db.all(
        "SELECT id, status, secondary_status FROM sagemaker_training_jobs"
        " WHERE status IN ('InProgress', 'Stopping') ORDER BY id"
    )
    return [(row["id"], row["status"], row["secondary_status"]) for row in rows]


def jobs_of(db: Database, account: str, region: str) -> list[TrainingJob]:
    """Return every job of an account and region, oldest first."""
    rows = db.all(
        f"SELECT {_COLUMNS} FROM sagemaker_training_jobs"
        " WHERE account = ? AND region = ? ORDER BY created, name",
        (account, region),
    )
    return [_job(row) for row in rows]


def save(db: Database, job: TrainingJob) -> None:
    """Write back the status and progress of a job."""
    db.execute(
        "UPDATE sagemaker_training_jobs SET status = ?, secondary_status = ?, modified = ?,"
        " started = ?, ended = ?, progress = ? WHERE id = ?",
        (
            job.status, job.secondary_status, job.modified, job.started, job.ended,
            orjson.dumps(asdict(job.progress)), job.id,
        ),
    )  # fmt: skip


def change(db: Database, identifier: int, apply: Callable[[TrainingJob], None]) -> TrainingJob:
    """Apply a change to the job as it is now, in one transaction, and return it.

    Everyone who changes a job comes through here or through a handler's transaction, so that
    nobody writes back what they read earlier.
    """
    with db.atomically():
        job = job_by_id(db, identifier)
        if job is None:
            raise StateError(f"training job {identifier} has no row")
        apply(job)
        save(db, job)
    return job


def save_request(db: Database, job: TrainingJob) -> None:
    """Write back a changed request."""
    db.execute(
        "UPDATE sagemaker_training_jobs SET request = ?, modified = ? WHERE id = ?",
        (orjson.dumps(job.request), job.modified, job.id),
    )


def delete_job(db: Database, job: TrainingJob) -> None:
    """Remove a job's row; its name is free again."""
    db.execute("DELETE FROM sagemaker_training_jobs WHERE id = ?", (job.id,))


def advance(
    job: TrainingJob, secondary: str, message: str, now: float, *, status: str | None = None
) -> None:
    """Move a job to a secondary status, or give its current one another message.

    Closes the transition under way. A terminal `status` closes the new one too and sets the end.
    The caller saves.
    """
    transitions = job.progress.transitions
    if job.secondary_status == secondary and transitions:
        transitions[-1]["StatusMessage"] = message
    else:
        transitions[-1]["EndTime"] = now
        transitions.append(_transition(secondary, message, now))
    job.secondary_status = secondary
    job.modified = now
    if status is not None:
        job.status = status
    if job.is_over:
        transitions[-1]["EndTime"] = now
        job.ended = now


def request_stop(job: TrainingJob, now: float, ending: str = "stop") -> None:
    """Mark a job as told to stop; `ending` says by what. The caller saves."""
    advance(job, "Stopping", "Stopping the training job", now, status="Stopping")
    job.progress.ending = ending


def _transition(status: str, message: str, now: float) -> dict[str, Any]:
    return {"Status": status, "StartTime": now, "StatusMessage": message}
