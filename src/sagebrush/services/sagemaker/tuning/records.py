"""Rows of tuning jobs and of their trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from sagebrush.base.errors import StateError
from sagebrush.store.database import Database, Row

TERMINAL = ("Completed", "Failed", "Stopped")
_JOB_COLUMNS = "id, account, region, name, status, created, modified, ended, request, state"
_TRIAL_COLUMNS = (
    "tuning_id, number, training_job_id, training_job_name, definition, hyperparameters, bracket,"
    " objective_status, objective, summary, curve"
)


@dataclass(slots=True)
class TuningState:
    """What became of a tuning job besides its trials.

    `seed` is the user's or one drawn at creation. `last_improved` is the number of the trial with
    the best objective when it was found, `not_improving` how many trials have ended since.
    """

    seed: int = 0
    failure_reason: str | None = None
    not_improving: int = 0
    convergence_detected: float | None = None
    ending: str = ""


@dataclass(slots=True)
class TuningJob:
    """One tuning job. Times are epoch seconds."""

    id: int
    account: str
    region: str
    name: str
    status: str
    created: float
    modified: float
    ended: float | None
    request: dict[str, Any]
    state: TuningState = field(default_factory=TuningState)

    @property
    def is_over(self) -> bool:
        """Whether it reached its end."""
        return self.status in TERMINAL


@dataclass(slots=True)
class Trial:
    """One configuration and the training job that tries it.

    `hyperparameters` are the tuned ones as the training job got them. `objective` is as the job
    reported it, whichever direction is better; `curve` the values over time, once it is over.
    """

    tuning_id: int
    number: int
    training_job_id: int
    training_job_name: str
    definition: int
    hyperparameters: dict[str, str]
    bracket: int = 0
    objective_status: str = "Pending"
    objective: float | None = None
    summary: dict[str, Any] | None = None
    curve: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether what came of it has been noted."""
        return self.objective_status != "Pending"


def _job(row: Row) -> TuningJob:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row iterates over values
    values["request"] = orjson.loads(values["request"])
    values["state"] = TuningState(**orjson.loads(values["state"]))
    return TuningJob(**values)


def _trial(row: Row) -> Trial:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row iterates over values
    values["hyperparameters"] = orjson.loads(values["hyperparameters"])
    values["summary"] = orjson.loads(values["summary"]) if values["summary"] else None
    values["curve"] = orjson.loads(values["curve"]) if values["curve"] else []
    return Trial(**values)


def insert_job(
    db: Database,
    scope: tuple[str, str],
    name: str,
    request: dict[str, Any],
    state: TuningState,
    now: float,
) -> None:
    """Add a new tuning job in status InProgress; `scope` is account and region."""
    db.execute(
        "INSERT INTO sagemaker_tuning_jobs (account, region, name, status, created, modified,"
        " request, state) VALUES (?, ?, ?, 'InProgress', ?, ?, ?, ?)",
        (*scope, name, now, now, orjson.dumps(request), orjson.dumps(asdict(state))),
    )


def find_job(db: Database, account: str, region: str, name: str) -> TuningJob | None:
    """Return the tuning job of that name, or None."""
    row = db.one(
        f"SELECT {_JOB_COLUMNS} FROM sagemaker_tuning_jobs"
        " WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )
    return _job(row) if row else None


def job_by_id(db: Database, identifier: int) -> TuningJob | None:
    """Return the tuning job, or None when it was deleted."""
    row = db.one(f"SELECT {_JOB_COLUMNS} FROM sagemaker_tuning_jobs WHERE id = ?", (identifier,))
    return _job(row) if row else None


def active_ids(db: Database) -> list[int]:
    """Return the tuning jobs that have not reached their end, oldest first."""
    rows = db.all(
        "SELECT id FROM sagemaker_tuning_jobs WHERE status IN ('InProgress', 'Stopping')"
        " ORDER BY id"
    )
    return [row["id"] for row in rows]


def change(db: Database, identifier: int, apply: Callable[[TuningJob], None]) -> TuningJob:
    """Apply a change to the tuning job as it is now, in one transaction, and return it."""
    with db.atomically():
        job = job_by_id(db, identifier)
        if job is None:
            raise StateError(f"tuning job {identifier} has no row")
        apply(job)
        db.execute(
            "UPDATE sagemaker_tuning_jobs SET status = ?, modified = ?, ended = ?, state = ?"
            " WHERE id = ?",
            (job.status, job.modified, job.ended, orjson.dumps(asdict(job.state)), job.id),
        )
    return job


def delete_job(db: Database, job: TuningJob) -> None:
    """Remove a tuning job and its trials; the training jobs stay."""
    db.execute("DELETE FROM sagemaker_tuning_trials WHERE tuning_id = ?", (job.id,))
    db.execute("DELETE FROM sagemaker_tuning_jobs WHERE id = ?", (job.id,))


def trials_of(db: Database, tuning_id: int) -> list[Trial]:
    """Return the trials of a tuning job in the order they began."""
    rows = db.all(
        f"SELECT {_TRIAL_COLUMNS} FROM sagemaker_tuning_trials WHERE tuning_id = ? ORDER BY number",
        (tuning_id,),
    )
    return [_trial(row) for row in rows]


def insert_trial(db: Database, trial: Trial) -> None:
    """Add a trial whose training job was added in the same transaction."""
    db.execute(
        f"INSERT INTO sagemaker_tuning_trials ({_TRIAL_COLUMNS})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            trial.tuning_id, trial.number, trial.training_job_id, trial.training_job_name,
            trial.definition, orjson.dumps(trial.hyperparameters), trial.bracket,
            trial.objective_status, trial.objective,
        ),
    )  # fmt: skip


def settle_trial(db: Database, trial: Trial) -> None:
    """Write back what came of a trial."""
    db.execute(
        "UPDATE sagemaker_tuning_trials SET objective_status = ?, objective = ?, summary = ?,"
        " curve = ? WHERE tuning_id = ? AND number = ?",
        (
            trial.objective_status, trial.objective, orjson.dumps(trial.summary),
            orjson.dumps(trial.curve), trial.tuning_id, trial.number,
        ),
    )  # fmt: skip


def tuning_job_of(db: Database, training_job_id: int) -> TuningJob | None:
    """Return the tuning job that a training job belongs to, or None."""
    row = db.one(
        "SELECT tuning_id FROM sagemaker_tuning_trials WHERE training_job_id = ?",
        (training_job_id,),
    )
    return job_by_id(db, row["tuning_id"]) if row else None
