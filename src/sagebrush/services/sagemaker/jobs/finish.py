"""From ended processes to the job's end: what they left goes to S3, then the row says how it went.

Every step can be done again: an object already written is written once more with the same bytes,
and the row's last change comes after all of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sagebrush.engines.objects import BucketNotFound, parse_s3_uri
from sagebrush.run.archive import read_beneath
from sagebrush.run.records import Exit, Reason
from sagebrush.run.supervisor import Lost
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.descriptions import is_compressed, output_location
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.jobs.hosts import Host
from sagebrush.services.sagemaker.jobs.prepare import MODEL_ARCHIVE, OUTPUT_ARCHIVE
from sagebrush.services.sagemaker.jobs.staging import PIPES
from sagebrush.services.sagemaker.records import TrainingJob

_FAILURE_LENGTH = 1024
_USER_MISTAKE = "ClientError:"
_FAILURE_CLASSES = (_USER_MISTAKE, "AlgorithmError:", "InternalServerError:")
_OUT_OF_MEMORY = (
    "ClientError: Please use an instance type with more memory, or reduce the size of training"
    " data processed on an instance."
)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: the last statuses, the message of the last one, why it failed."""

    status: str
    secondary: str
    message: str
    reason: str | None = None


COMPLETED = Outcome("Completed", "Completed", "Training job completed")
STOPPED = Outcome("Stopped", "Stopped", "Training job stopped")
MAX_RUNTIME = Outcome(
    "Stopped",
    "MaxRuntimeExceeded",
    "Training job runtime exceeded MaxRuntimeInSeconds provided",
)
MAX_WAIT = Outcome(
    "Stopped",
    "MaxWaitTimeExceeded",
    "Training job wait time exceeded MaxWaitTimeInSeconds provided",
)


def internal_error(ended: Exit | Lost) -> str | None:
    """Return what went wrong on the platform's side, which a retry may mend; else None."""
    if isinstance(ended, Lost):
        return (
            "The processes of the training job ended without a trace: the machine was restarted or"
            " they were killed."
        )
    if ended.reason is Reason.INTERRUPTED:
        return "The training job was interrupted: the machine was shut down."
    if ended.reason is Reason.START_FAILED:
        return ended.error or "The processes could not be started."
    return None


def failed(reason: str) -> Outcome:
    """Return the end of a job that failed."""
    return Outcome("Failed", "Failed", "Training job failed", reason[:_FAILURE_LENGTH])


def outcome_of(ended: Exit, ending: str, directory: Path, hosts: Sequence[Host]) -> Outcome:
    """Return what the end of its processes means for a job; `ending` says who told them to."""
    if ended.reason is Reason.COMPLETED:
        return COMPLETED
    if ended.reason is Reason.STOPPED:
        return MAX_WAIT if ending == "wait" else STOPPED
    if ended.reason is Reason.DEADLINE:
        return MAX_RUNTIME
    if ended.reason is Reason.FAILED:
        return failed(_failure_reason(ended, directory, hosts))
    if ended.reason is Reason.FEED_FAILED:
        problem = (ended.error or "").replace(f"{directory}/{PIPES}/", "")
        return failed(f"ClientError: Data download failed:{problem}")
    if ended.reason is Reason.ARCHIVE_FAILED:
        return failed(f"ClientError: Artifact upload failed:{ended.error}")
    return failed(f"InternalServerError: {internal_error(ended)}")


def _failure_reason(ended: Exit, directory: Path, hosts: Sequence[Host]) -> str:
    if ended.out_of_memory:
        return f"{_OUT_OF_MEMORY}, exit code: {ended.exit_code}"
    host, text = _failure(ended, directory, hosts)
    code = replace(ended, failed_member=host).exit_code or ended.exit_code
    prefix = "" if text.startswith(_FAILURE_CLASSES) else "AlgorithmError: "
    suffix = f", exit code: {code}"
    return f"{prefix}{text}"[: _FAILURE_LENGTH - len(suffix)] + suffix


def _failure(ended: Exit, directory: Path, hosts: Sequence[Host]) -> tuple[str | None, str]:
    """Return the host whose failure stands for the job's, and its /opt/ml/output/failure.

    A host that loses another one fails as well, and may be the first to end; so a mistake of the
    user's, which is never such a consequence, goes before the failure of the host that ended first.
    """
    first = sorted(hosts, key=lambda host: host.name != ended.failed_member)
    found = [(host.name, text) for host in first if (text := _failure_text(directory, host))]
    found.sort(key=lambda each: not each[1].startswith(_USER_MISTAKE))
    return found[0] if found else (ended.failed_member, "")


def _failure_text(directory: Path, host: Host) -> str:
    relative = str(host.root.relative_to(directory) / "output" / "failure")
    # Four bytes are the most a character takes.
    raw = read_beneath(str(directory), relative, 4 * _FAILURE_LENGTH)
    return raw.decode(errors="replace").strip() if raw else ""


async def upload(
    platform: Platform, job: TrainingJob, directory: Path, hosts: Sequence[Host], outcome: Outcome
) -> None:
    """Write what the job left to S3: the artefact unless it failed, and further output.

    Raises:
        JobFailure: the bucket does not exist.
    """
    bucket, prefix = parse_s3_uri(output_location(job))
    try:
        for path, name in _outputs(job, directory, hosts, outcome):
            # Taken from a second link: if we die half-way, the first is still there.
            spare = directory / "upload"
            spare.unlink(missing_ok=True)
            os.link(path, spare)
            await platform.objects.ingest(
                job.account, job.region, bucket, f"{prefix}/{name}".lstrip("/"), spare
            )
    except BucketNotFound:
        raise JobFailure(
            "ClientError: Artifact upload failed:NoSuchBucket: The specified bucket does not exist"
            f" ({bucket})"
        ) from None


def _outputs(
    job: TrainingJob, directory: Path, hosts: Sequence[Host], outcome: Outcome
) -> Iterator[tuple[Path, str]]:
    keeps_model = outcome.status != "Failed"
    if not is_compressed(job):
        for host in hosts:
            if keeps_model:
                yield from _files(host.root / "model", "model")
            yield from _files(host.root / "output" / "data", "data")
        return
    for name in (MODEL_ARCHIVE, OUTPUT_ARCHIVE) if keeps_model else (OUTPUT_ARCHIVE,):
        path = directory / name
        if path.exists():
            yield path, name


def _files(root: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the plain files of a tree that a job wrote; links could lead out of it."""
    for folder, _, files in os.walk(root, followlinks=False):
        for file in sorted(files):
            path = Path(folder, file)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path, f"{name}/{path.relative_to(root)}"
