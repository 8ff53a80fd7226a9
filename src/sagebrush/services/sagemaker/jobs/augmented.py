"""Augmented manifests: JSON lines whose attributes become the records of a pipe."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sagebrush.engines.objects import ObjectEntry, ObjectStore
from sagebrush.services.sagemaker.jobs.channels import Channel, object_at
from sagebrush.services.sagemaker.jobs.errors import JobFailure, download_failure

_REFERENCE_SUFFIX = "-ref"

Link = Callable[[ObjectEntry, Path], Awaitable[None]]


async def stage_records(
    objects: ObjectStore, channel: Channel, folder: Path, host_count: int, link: Link
) -> list[Path]:
    """Return one file of records per host, each line a list of parts as a feeder reads them.

    The attributes of a line keep the order of AttributeNames; one that ends in `-ref` stands for
    the bytes of the object it names, which is linked into `folder`.

    Raises:
        JobFailure: the manifest or an object it names is missing or wrong.
    """
    manifest = folder / "manifest"
    await link(object_at(objects, channel.uri), manifest)
    paths = [folder / f"records-{index}.jsonl" for index in range(host_count)]
    sharded = channel.distribution == "ShardedByS3Key"
    writers = [path.open("w", encoding="utf-8") for path in paths]
    try:
        with manifest.open("rb") as lines:
            for number, line in enumerate(line for line in lines if line.strip()):
                parts = await _parts(objects, channel, line, number, folder, link)
                text = json.dumps(parts) + "\n"
                for index, writer in enumerate(writers):
                    if not sharded or number % host_count == index:
                        writer.write(text)
    finally:
        for writer in writers:
            writer.close()
    return paths


async def _parts(
    objects: ObjectStore, channel: Channel, line: bytes, number: int, folder: Path, link: Link
) -> list[dict[str, str]]:
    document = _document(channel, line, number)
    parts = []
    for position, name in enumerate(channel.attributes):
        value = document.get(name)
        if value is None:
            raise _wrong_line(channel, number, f"the attribute {name!r} is missing")
        if not name.endswith(_REFERENCE_SUFFIX):
            parts.append({"text": value if isinstance(value, str) else json.dumps(value)})
            continue
        if not isinstance(value, str):
            raise _wrong_line(channel, number, f"the attribute {name!r} names no object")
        path = folder / f"{number}-{position}"
        await link(object_at(objects, value), path)
        parts.append({"path": str(path)})
    return parts


def _document(channel: Channel, line: bytes, number: int) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise _wrong_line(channel, number, str(error)) from None
    if not isinstance(document, dict):
        raise _wrong_line(channel, number, "a JSON object is expected")
    return document


def _wrong_line(channel: Channel, number: int, problem: str) -> JobFailure:
    return download_failure(
        f"Unable to parse augmented manifest at s3 url {channel.uri}, line {number + 1}: {problem}"
    )
