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
_LIGHT_COLUMNS = (
    "tuning_id, number, training_job_id, training_job_name, definition, hyperparameters, bracket,"
    " objective_status, objective, status, retryable, judged, stopped_at"
)


@dataclass(slots=True)
class TuningState:
    """What became of a tuning job besides its trials.

    `seed` is the user's or one drawn at creation; `ending` says why no further trial began.
    """

    seed: int = 0
    failure_reason: str | None = None
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
    reported it, whichever direction is better. `status` is how the training job ended, empty
    before. `judged` is how many units of resource Hyperband has looked at, `stopped_at` the rung
    where it stopped the trial, or 0. `curve` has the values over time and `summary` the training
    job as lists tell it, once it is over; both are read only where they are asked for.
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
    status: str = ""
    retryable: bool = False
    judged: int = 0
    stopped_at: int = 0
    summary: dict[str, Any] | None = None
    curve: list[float | None] = field(default_factory=list)

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
    values["retryable"] = bool(values["retryable"])
    for name, missing in (("summary", None), ("curve", [])):
        if name in values:
            values[name] = orjson.loads(values[name]) if values[name] else missing
    return Trial(**values)


def insert_job(
    db: Database,
    scope: tuple[str, str],
    name: str,
    request: dict[str, Any],
    state: TuningState,
    now: float,
) -> int:
    """Add a new tuning job in status InProgress; `scope` is account and region. Return its id."""
    cursor = db.execute(
        "INSERT INTO sagemaker_tuning_jobs (account, region, name, status, created, modified,"
        " request, state) VALUES (?, ?, ?, 'InProgress', ?, ?, ?, ?)",
        (*scope, name, now, now, orjson.dumps(request), orjson.dumps(asdict(state))),
    )
    return cursor.lastrowid or 0


def find_job(db: Database, account: str, region: str, name: str) -> TuningJob | None:
    """Return the tuning job of that name, whose case does not matter, or None."""
    row = db.one(
        f"SELECT {_JOB_COLUMNS} FROM sagemaker_tuning_jobs"
        " WHERE account = ? AND region = ? AND name = ? COLLATE NOCASE",
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


def jobs_of(db: Database, account: str, region: str) -> list[TuningJob]:
    """Return every tuning job of an account and region, oldest first."""
    rows = db.all(
        f"SELECT {_JOB_COLUMNS} FROM sagemaker_tuning_jobs WHERE account = ? AND region = ?"
        " ORDER BY id",
        (account, region),
    )
    return [_job(row) for row in rows]


def active_count(db: Database, account: str, region: str) -> int:
    """Return how many tuning jobs of an account and region have not reached their end."""
    row = db.one(
        "SELECT count(*) AS number FROM sagemaker_tuning_jobs WHERE account = ? AND region = ?"
        " AND status IN ('InProgress', 'Stopping')",
        (account, region),
    )
    return int(row["number"]) if row else 0


def delete_job(db: Database, job: TuningJob) -> None:
    """Remove a tuning job and its trials; the training jobs stay."""
    db.execute("DELETE FROM sagemaker_tuning_trials WHERE tuning_id = ?", (job.id,))
    db.execute("DELETE FROM sagemaker_tuning_inherited WHERE tuning_id = ?", (job.id,))
    db.execute("DELETE FROM sagemaker_tuning_jobs WHERE id = ?", (job.id,))


def trials_of(
    db: Database, tuning_id: int, *, curves: bool = False, summaries: bool = False
) -> list[Trial]:
    """Return the trials of a tuning job in the order they began."""
    columns = _LIGHT_COLUMNS + ", curve" * curves + ", summary" * summaries
    rows = db.all(
        f"SELECT {columns} FROM sagemaker_tuning_trials WHERE tuning_id = ? ORDER BY number",
        (tuning_id,),
    )
    return [_trial(row) for row in rows]


def trial_of(db: Database, tuning_id: int, number: int) -> Trial | None:
    """Return one trial with its summary, or None."""
    row = db.one(
        f"SELECT {_LIGHT_COLUMNS}, summary FROM sagemaker_tuning_trials"
        " WHERE tuning_id = ? AND number = ?",
        (tuning_id, number),
    )
    return _trial(row) if row else None


def running_statuses(db: Database, tuning_id: int) -> dict[int, str]:
    """Return the statuses, by number of the trial, of training jobs not yet noted as ended."""
    rows = db.all(
        "SELECT number, j.status AS status FROM sagemaker_tuning_trials AS t"
        " LEFT JOIN sagemaker_training_jobs AS j ON j.id = t.training_job_id"
        " WHERE tuning_id = ? AND objective_status = 'Pending'",
        (tuning_id,),
    )
    return {row["number"]: row["status"] or "Failed" for row in rows}


def insert_trial(db: Database, trial: Trial) -> None:
    """Add a trial whose training job was added in the same transaction."""
    db.execute(
        "INSERT INTO sagemaker_tuning_trials (tuning_id, number, training_job_id,"
        " training_job_name, definition, hyperparameters, bracket, objective_status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'Pending')",
        (
            trial.tuning_id, trial.number, trial.training_job_id, trial.training_job_name,
            trial.definition, orjson.dumps(trial.hyperparameters), trial.bracket,
        ),
    )  # fmt: skip


def settle_trial(db: Database, trial: Trial) -> None:
    """Write back what came of a trial."""
    db.execute(
        "UPDATE sagemaker_tuning_trials SET objective_status = ?, objective = ?, status = ?,"
        " retryable = ?, summary = ?, curve = ? WHERE tuning_id = ? AND number = ?",
        (
            trial.objective_status, trial.objective, trial.status, trial.retryable,
            orjson.dumps(trial.summary), orjson.dumps(trial.curve), trial.tuning_id, trial.number,
        ),
    )  # fmt: skip


def judge_trial(db: Database, trial: Trial) -> None:
    """Write back how far Hyperband has looked at a trial and where it stopped it."""
    db.execute(
        "UPDATE sagemaker_tuning_trials SET judged = ?, stopped_at = ?"
        " WHERE tuning_id = ? AND number = ?",
        (trial.judged, trial.stopped_at, trial.tuning_id, trial.number),
    )


def insert_inherited(
    db: Database, tuning_id: int, observations: list[Any], best: dict[str, Any] | None
) -> None:
    """Keep what a warm start takes over from its parents."""
    db.execute(
        "INSERT INTO sagemaker_tuning_inherited (tuning_id, observations, best) VALUES (?, ?, ?)",
        (tuning_id, orjson.dumps(observations), orjson.dumps(best) if best else None),
    )


def inherited_observations(db: Database, tuning_id: int) -> list[Any]:
    """Return the [parent, hyperparameters, objective] that a tuning job began with."""
    row = db.one(
        "SELECT observations FROM sagemaker_tuning_inherited WHERE tuning_id = ?", (tuning_id,)
    )
    return list(orjson.loads(row["observations"])) if row else []


def inherited_best(db: Database, tuning_id: int) -> dict[str, Any] | None:
    """Return the summary of the best training job of a tuning job's parents, if it has any."""
    row = db.one("SELECT best FROM sagemaker_tuning_inherited WHERE tuning_id = ?", (tuning_id,))
    return orjson.loads(row["best"]) if row and row["best"] else None


def tuning_id_of(db: Database, training_job_id: int) -> int | None:
    """Return the id of the tuning job that a training job belongs to, or None."""
    row = db.one(
        "SELECT tuning_id FROM sagemaker_tuning_trials WHERE training_job_id = ?",
        (training_job_id,),
    )
    return row["tuning_id"] if row else None


def definition_of(db: Database, training_job_id: int) -> tuple[dict[str, Any], int] | None:
    """Return the request of a training job's tuning job and which definition of it was tried."""
    row = db.one(
        "SELECT tuning_id, definition FROM sagemaker_tuning_trials WHERE training_job_id = ?",
        (training_job_id,),
    )
    job = None if row is None else job_by_id(db, row["tuning_id"])
    return None if row is None or job is None else (job.request, row["definition"])


def trials_at_once(db: Database, training_job_id: int) -> int:
    """Return how many trials run at once in the tuning job of a training job; 1 if it has none."""
    identifier = tuning_id_of(db, training_job_id)
    job = None if identifier is None else job_by_id(db, identifier)
    if job is None:
        return 1
    limits = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    return int(min(limits["MaxParallelTrainingJobs"], limits["MaxNumberOfTrainingJobs"]))
