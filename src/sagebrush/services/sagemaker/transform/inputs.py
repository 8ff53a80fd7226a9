"""Which objects a transform job works on, listed once, and where their outputs go."""

from __future__ import annotations

import asyncio

from sagebrush.engines.objects import parse_s3_uri
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.channels import Channel, items_of
from sagebrush.services.sagemaker.transform import records
from sagebrush.services.sagemaker.transform.records import InputFile, TransformJob

_ROWS_PER_TURN = 500


async def list_inputs(platform: Platform, job: TransformJob) -> None:
    """Write the input objects of a job into rows, in key or manifest order.

    Raises:
        JobFailure: there are none, or the manifest is wrong.
    """
    source = job.request["TransformInput"]["DataSource"]["S3DataSource"]
    channel = Channel(
        name="input",
        mode="File",
        kind=source["S3DataType"],
        uri=source["S3Uri"],
        distribution="FullyReplicated",
        content_type=None,
        gzip=False,
        wrap=False,
        shuffle_seed=None,
        attributes=(),
        groups=frozenset(),
    )
    records.delete_files(platform.db, job.id)
    rows: list[InputFile] = []
    for position, item in enumerate(items_of(platform.objects, channel, job.region, "")):
        entry = item.entry
        rows.append(InputFile(position, entry.bucket, entry.key, entry.version_id, item.path))
        if len(rows) == _ROWS_PER_TURN:
            _insert(platform, job, rows)
            rows = []
            await asyncio.sleep(0)
    with platform.db.transaction():
        records.insert_files(platform.db, job.id, rows)
        records.change(platform.db, job.id, _mark_listed)


def output_location(job: TransformJob, file: InputFile) -> tuple[str, str]:
    """Return bucket and key of a file's output."""
    bucket, prefix = parse_s3_uri(job.request["TransformOutput"]["S3OutputPath"])
    return bucket, f"{prefix.rstrip('/')}/{file.path}.out".lstrip("/")


def _insert(platform: Platform, job: TransformJob, rows: list[InputFile]) -> None:
    with platform.db.transaction():
        records.insert_files(platform.db, job.id, rows)


def _mark_listed(job: TransformJob) -> None:
    job.progress.listed = True
