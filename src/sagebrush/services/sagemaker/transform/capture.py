"""Data capture of a transform job: manifests of what went in and what came out.

As the guide page "Capture data from batch transform job" has them, below `input/` and `output/` of
DestinationS3Uri, by the hour the job started.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from sagebrush.engines.objects import parse_s3_uri
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.transform.inputs import output_location
from sagebrush.services.sagemaker.transform.records import InputFile, TransformJob


async def capture(platform: Platform, job: TransformJob, files: Iterable[InputFile]) -> None:
    """Write the manifests of the files that were transformed.

    Raises:
        BucketNotFound: the destination's bucket does not exist.
    """
    bucket, prefix = parse_s3_uri(job.request["DataCaptureConfig"]["DestinationS3Uri"])
    started = datetime.fromtimestamp(job.started or job.created, UTC)
    inputs: list[tuple[str, str]] = []
    outputs: list[tuple[str, str]] = []
    for file in files:
        inputs.append(_place(file.bucket, file.key, file.path))
        outputs.append(_place(*output_location(job, file), f"{file.path}.out"))
    for side, places in (("input", inputs), ("output", outputs)):
        key = f"{prefix.rstrip('/')}/{side}/{started:%Y/%m/%d/%H}/{job.name}.jsonl".lstrip("/")
        document = orjson.dumps(_manifest(places))
        await platform.objects.put_bytes(job.account, job.region, bucket, key, document)


def start_text(job: TransformJob) -> str:
    """Return a job's start as it stands beside inference ids."""
    started = datetime.fromtimestamp(job.started or job.created, UTC)
    return f"{started:%Y-%m-%dT%H:%M:%SZ}"


def _place(bucket: str, key: str, below: str) -> tuple[str, str]:
    """Return an object's location as a prefix and the rest."""
    return f"s3://{bucket}/{key.removesuffix(below)}", below


def _manifest(places: Iterable[tuple[str, str]]) -> list[Any]:
    lines: list[Any] = []
    current = None
    for prefix, name in places:
        if prefix != current:
            lines.append({"prefix": prefix})
            current = prefix
        lines.append(name)
    return lines
