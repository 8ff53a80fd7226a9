"""Rows of transform jobs and of the files they work on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from sagebrush.base.errors import StateError
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.store.database import Database, Row

TERMINAL = ("Completed", "Failed", "Stopped")
_COLUMNS = "id, account, region, name, status, created, modified, started, ended, request, progress"
_FILE_COLUMNS = "position, bucket, key, version_id, path, status, reason"
_PAGE = 10
_SORT_COLUMNS = {"Name": "name", "CreationTime": "created", "Status": "status"}
_FILTERS = {
    "StatusEquals": "status = ?",
    "CreationTimeAfter": "created > ?",
    "CreationTimeBefore": "created < ?",
    "LastModifiedTimeAfter": "modified > ?",
    "LastModifiedTimeBefore": "modified < ?",
    "NameContains": "instr(lower(name), lower(?)) > 0",
}

WAITING, DONE, STORED, FAILED = "Waiting", "Done", "Stored", "Failed"


@dataclass(slots=True)
class Progress:
    """What became of a job, beside its status.

    `containers` are the model's container definitions as they were when the job was created,
    `isolated` says whether they are cut off from the network. `listed` says that the job's files
    are all in rows, `log_epoch` is the suffix of its log streams.
    """

    containers: list[dict[str, Any]] = field(default_factory=list)
    isolated: bool = False
    failure_reason: str | None = None
    listed: bool = False
    log_epoch: int = 0


@dataclass(slots=True)
class TransformJob:
    """One transform job. Times are epoch seconds."""

    id: int
    account: str
    region: str
    name: str
    status: str
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


@dataclass(slots=True)
class InputFile:
    """One input object of a job and what became of it."""

    position: int
    bucket: str
    key: str
    version_id: str
    path: str
    status: str = WAITING
    reason: str | None = None


def _job(row: Row) -> TransformJob:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a row iterates over values
    values["request"] = orjson.loads(values["request"])
    values["progress"] = Progress(**orjson.loads(values["progress"]))
    return TransformJob(**values)


def insert_job(
    db: Database,
    scope: tuple[str, str],
    name: str,
    request: dict[str, Any],
    progress: Progress,
    now: float,
) -> None:
    """Add a new job in status InProgress; `scope` is its account and region."""
    db.execute(
        "INSERT INTO sagemaker_transform_jobs (account, region, name, status, created, modified,"
        " request, progress) VALUES (?, ?, ?, 'InProgress', ?, ?, ?, ?)",
        (*scope, name, now, now, orjson.dumps(request), orjson.dumps(asdict(progress))),
    )


def find_job(db: Database, account: str, region: str, name: str) -> TransformJob | None:
    """Return the job of that name, or None."""
    row = db.one(
        f"SELECT {_COLUMNS} FROM sagemaker_transform_jobs"
        " WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )
    return _job(row) if row else None


def job_by_id(db: Database, identifier: int) -> TransformJob:
    """Return the job.

    Raises:
        StateError: it has no row.
    """
    row = db.one(f"SELECT {_COLUMNS} FROM sagemaker_transform_jobs WHERE id = ?", (identifier,))
    if row is None:
        raise StateError(f"transform job {identifier} has no row")
    return _job(row)


def page(context: Context, request: dict[str, Any]) -> tuple[list[TransformJob], str | None]:
    """Return the jobs of one page of a List operation, and the token of the next if there is one.

    Raises:
        ApiError: ValidationException for a token that is none.
    """
    column = _SORT_COLUMNS[request.get("SortBy", "CreationTime")]
    descending = request.get("SortOrder", "Descending") == "Descending"
    given = [member for member in _FILTERS if member in request]
    conditions = ["account = ?", "region = ?", *(_FILTERS[member] for member in given)]
    values = [context.account, context.region, *(request[member] for member in given)]
    if token := request.get("NextToken"):
        kind = float if column == "created" else str
        conditions.append(f"({column}, id) {'<' if descending else '>'} (?, ?)")
        values += decode_token(token, kinds=(kind, int))
    limit, order = request.get("MaxResults", _PAGE), "DESC" if descending else "ASC"
    rows = context.db.all(
        f"SELECT {_COLUMNS} FROM sagemaker_transform_jobs WHERE {' AND '.join(conditions)}"
        f" ORDER BY {column} {order}, id {order} LIMIT ?",
        (*values, limit + 1),
    )
    shown = [_job(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return shown, None
    last = rows[limit - 1]
    return shown, encode_token([last[column], last["id"]])


def active_statuses(db: Database) -> list[tuple[int, str]]:
    """Return id and status of every job that has not reached its end, oldest first."""
    rows = db.all(
        "SELECT id, status FROM sagemaker_transform_jobs"
        " WHERE status IN ('InProgress', 'Stopping') ORDER BY id"
    )
    return [(row["id"], row["status"]) for row in rows]


def change(db: Database, identifier: int, apply: Callable[[TransformJob], None]) -> TransformJob:
    """Apply a change to the job as it is now, in one transaction, and return it."""
    with db.atomically():
        job = job_by_id(db, identifier)
        apply(job)
        db.execute(
            "UPDATE sagemaker_transform_jobs SET status = ?, modified = ?, started = ?, ended = ?,"
            " progress = ? WHERE id = ?",
            (
                *(job.status, job.modified, job.started, job.ended),
                *(orjson.dumps(asdict(job.progress)), job.id),
            ),
        )
    return job


def end_job(db: Database, identifier: int, status: str, reason: str | None, now: float) -> None:
    """Write a job's end into its row and forget its files."""

    def apply(job: TransformJob) -> None:
        job.status, job.progress.failure_reason = status, reason
        job.ended = job.modified = now

    with db.atomically():
        change(db, identifier, apply)
        delete_files(db, identifier)


def insert_files(db: Database, identifier: int, files: Iterable[InputFile]) -> None:
    """Add files of a job; one that is there already stays as it is."""
    db.execute_many(
        f"INSERT INTO sagemaker_transform_files (job_id, {_FILE_COLUMNS})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            (
                *(identifier, file.position, file.bucket, file.key, file.version_id),
                *(file.path, file.status, file.reason),
            )
            for file in files
        ),
    )


def delete_files(db: Database, identifier: int) -> None:
    """Forget the files of a job."""
    db.execute("DELETE FROM sagemaker_transform_files WHERE job_id = ?", (identifier,))


def next_file(
    db: Database, identifier: int, statuses: tuple[str, ...], after: int = -1, step: int = 1
) -> InputFile | None:
    """Return the first file behind position `after` in one of `statuses`, or None.

    With `step`, only every so manyth file counts, from `after + step` on.
    """
    marks = ", ".join("?" * len(statuses))
    row = db.one(
        f"SELECT {_FILE_COLUMNS} FROM sagemaker_transform_files WHERE job_id = ?"
        f" AND position > ? AND (position - ?) % ? = 0 AND status IN ({marks})"
        " ORDER BY position LIMIT 1",
        (identifier, after, after, step, *statuses),
    )
    return InputFile(*row) if row else None


def file_counts(db: Database, identifier: int) -> dict[str, int]:
    """Return how many files of a job are in each status."""
    rows = db.all(
        "SELECT status, count(*) AS number FROM sagemaker_transform_files WHERE job_id = ?"
        " GROUP BY status",
        (identifier,),
    )
    return {row["status"]: row["number"] for row in rows}


def set_file_status(
    db: Database, identifier: int, position: int, status: str, reason: str | None = None
) -> None:
    """Say what became of a file."""
    db.execute(
        "UPDATE sagemaker_transform_files SET status = ?, reason = ?"
        " WHERE job_id = ? AND position = ?",
        (status, reason, identifier, position),
    )
