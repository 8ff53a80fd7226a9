"""Keeps a job's checkpoints and their place in S3 alike.

S3 to local before the job starts, then local to S3, removals included, as long as it runs.

A file is copied once two looks at it agree, so that one being written is not sent half-way; after
the processes ended, what is there is sent as it is. What was sent is kept in a file in the job's
directory, so that a restarted server goes on from there and removes nothing that it did not send.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from sagebrush.engines.objects import (
    BucketNotFound,
    ObjectEntry,
    ObjectNotFound,
    parse_s3_uri,
)
from sagebrush.run.archive import open_beneath
from sagebrush.run.records import write_atomically
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.channels import path_below
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.records import TrainingJob

_INTERVAL_S = 1.0
_COPY_BYTES = 1 << 20
_STATE_FILE = "checkpoints.json"

# Size in bytes and time of the last change in nanoseconds, by path below the folder.
_Snapshot = dict[str, tuple[int, int]]


class CheckpointSync:
    """The checkpoints of one job; `folders` maps its hosts to their folders on this machine."""

    def __init__(
        self, platform: Platform, job: TrainingJob, directory: Path, folders: Mapping[str, Path]
    ) -> None:
        self._platform = platform
        self._job = job
        self._directory = directory
        self._folders = folders
        self._bucket, prefix = parse_s3_uri(job.request["CheckpointConfig"]["S3Uri"])
        self._prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        self._sent: dict[str, _Snapshot] = {host: {} for host in folders}
        self._seen: dict[str, _Snapshot] = {host: {} for host in folders}

    async def restore(self) -> None:
        """Give every host a copy of what lies in S3.

        Raises:
            JobFailure: the bucket does not exist.
        """
        try:
            entries = list(self._platform.objects.list(self._bucket, self._prefix))
        except BucketNotFound:
            raise _no_bucket(self._bucket) from None
        for host, folder in self._folders.items():
            for entry in entries:
                relative = path_below(self._prefix, entry.key)
                parts = relative.split("/")
                if entry.key.endswith("/") or {"", ".", ".."} & set(parts):
                    continue  # no path of a file: not written by a job
                destination = folder / relative
                destination.parent.mkdir(parents=True, exist_ok=True)
                await self._copy_in(entry, destination)
            self._sent[host] = self._seen[host] = _snapshot(folder)
        self._keep()

    def recall(self) -> None:
        """Go on from what an earlier server had sent."""
        path = self._directory / _STATE_FILE
        if path.exists():
            stored = json.loads(path.read_bytes())
            for host in self._sent:
                files = stored.get(host, {})
                self._sent[host] = {name: (size, at) for name, (size, at) in files.items()}

    async def follow(self, ended: asyncio.Event) -> None:
        """Send changes until the processes have `ended`, then all that is left.

        Raises:
            JobFailure: the bucket does not exist.
        """
        while not ended.is_set():
            await self._send_changes(final=False)
            try:
                async with asyncio.timeout(_INTERVAL_S):
                    await ended.wait()
            except TimeoutError:
                continue
        await self._send_changes(final=True)

    async def _send_changes(self, *, final: bool) -> None:
        changed = False
        for host, folder in self._folders.items():
            current = await asyncio.to_thread(_snapshot, folder)
            seen, self._seen[host] = self._seen[host], current
            sent = self._sent[host]
            for relative, state in current.items():
                if sent.get(relative) == state or not (final or seen.get(relative) == state):
                    continue
                if await self._send(host, folder, relative):
                    sent[relative] = state
                    changed = True
            for relative in [name for name in sent if name not in current]:
                self._delete(self._prefix + relative)
                del sent[relative]
                changed = True
        if changed:
            self._keep()

    async def _send(self, host: str, folder: Path, relative: str) -> bool:
        spare = self._directory / f"checkpoint-{host}"
        if not await asyncio.to_thread(_copy_out, folder, relative, spare):
            return False
        try:
            await self._platform.objects.ingest(
                self._job.account, self._job.region, self._bucket, self._prefix + relative, spare
            )
        except BucketNotFound:
            raise _no_bucket(self._bucket) from None
        return True

    def _delete(self, key: str) -> None:
        objects = self._platform.objects
        bucket = objects.bucket(self._bucket)
        if bucket is None:
            raise _no_bucket(self._bucket)
        with self._platform.db.atomically():
            if bucket.versioning:
                objects.versions.put_delete_marker(
                    bucket, key, {"Owner": self._job.account}, now=self._platform.clock.now()
                )
                return
            entry = objects.versions.newest(bucket, key)
            if entry is not None:
                objects.versions.remove(entry, bucket)

    async def _copy_in(self, entry: ObjectEntry, destination: Path) -> None:
        """Give the job bytes of its own: it may write into its checkpoints."""
        linked = self._directory / "checkpoint-restored"
        linked.unlink(missing_ok=True)
        try:
            self._platform.objects.link(entry, linked)
        except ObjectNotFound:
            return  # removed since it was listed
        await asyncio.to_thread(_own_copy, linked, destination)

    def _keep(self) -> None:
        path = self._directory / _STATE_FILE
        write_atomically(path, self._sent)


def _own_copy(linked: Path, destination: Path) -> None:
    with linked.open("rb") as source, destination.open("wb") as target:
        shutil.copyfileobj(source, target, _COPY_BYTES)
    linked.unlink()


def _copy_out(folder: Path, relative: str, destination: Path) -> bool:
    """Copy a file that a job may be changing; False when it is gone, or no plain file."""
    descriptor = open_beneath(str(folder), relative)
    if descriptor is None:
        return False
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            return False
        destination.unlink(missing_ok=True)
        with destination.open("xb") as target:
            shutil.copyfileobj(source, target, _COPY_BYTES)
    return True


def _snapshot(folder: Path) -> _Snapshot:
    return dict(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for base, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = Path(base, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue  # removed while we look
            if stat.S_ISREG(status.st_mode):
                yield str(path.relative_to(folder)), (status.st_size, status.st_mtime_ns)


def _no_bucket(bucket: str) -> JobFailure:
    return JobFailure(
        "ClientError: Checkpoint sync failed:NoSuchBucket: The specified bucket does not exist"
        f" ({bucket})"
    )
