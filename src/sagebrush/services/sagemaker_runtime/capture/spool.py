"""Captured lines on their way to S3: gathered in a file for a few seconds, then uploaded.

A file lies below the data directory from its first line on, so that what was captured reaches S3
even if the server is killed in between. A folder per destination says in `destination.json` where
its files go.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.objects import parse_s3_uri
from sagebrush.services.platform import Platform

_INTERVAL_S = 10.0
_MAXIMUM_BYTES = 64 * 1024 * 1024
# The guide: capture stops at high levels of disk usage.
_FULL = 0.95
_DESTINATION = "destination.json"
_WORKER = "endpoint data capture"

_log = logging.getLogger(__name__)


class Destination(NamedTuple):
    """Where the lines of one variant of one endpoint go."""

    account: str
    region: str
    uri: str
    endpoint: str
    variant: str


class _File:
    """Lines of one hour, still growing."""

    def __init__(self, folder: Path, moment: float) -> None:
        time = datetime.fromtimestamp(moment, UTC)
        name = f"{time:%M-%S}-{time.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        self.hour = _hour_of(moment)
        # The name of the file on the disk is the end of the object's key.
        self.path = folder / f"{time:%Y_%m_%d_%H}_{name}"
        self.size_bytes = 0
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, line: bytes) -> None:
        os.write(self._descriptor, line)
        self.size_bytes += len(line)

    def close(self) -> None:
        os.close(self._descriptor)


class Spool:
    """The files of all destinations of one server."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._folder = platform.settings.data_dir.absolute() / "capture"
        self._files: dict[Destination, _File] = {}
        self._suspended_until = 0.0

    def append(self, destination: Destination, moment: float, line: bytes) -> None:
        """Add a line; trouble with it is told in the server's log and nowhere else."""
        if self._platform.clock.now() < self._suspended_until:
            return
        try:
            self._append(destination, moment, line)
        except OSError as error:
            _log.warning("data capture of endpoint %s: %s", destination.endpoint, error)

    async def flush(self) -> None:
        """Upload all that has been captured until now."""
        files, self._files = self._files, {}
        await asyncio.gather(*(self._upload(*growing) for growing in files.items()))

    async def resume(self) -> None:
        """Upload what an earlier server has captured and not uploaded."""
        if not self._folder.is_dir():
            return
        growing = {file.path for file in self._files.values()}
        for folder in list(self._folder.iterdir()):
            told = folder / _DESTINATION
            if not told.is_file():
                continue
            destination = Destination(*orjson.loads(told.read_bytes()))
            for path in folder.glob("*.jsonl"):
                if path not in growing:
                    await self._put(destination, path)

    def _append(self, destination: Destination, moment: float, line: bytes) -> None:
        file = self._files.get(destination)
        if file is not None and file.hour != _hour_of(moment):
            self._upload_now(destination)
            file = None
        if file is None:
            folder = self._folder_of(destination)
            if _is_full(folder):
                self._suspended_until = self._platform.clock.now() + _INTERVAL_S
                _log.warning("data capture is suspended: the disk is nearly full")
                return
            file = self._files[destination] = _File(folder, moment)
            due = self._platform.clock.now() + _INTERVAL_S
            self._platform.spawn(self._upload_later(destination, file, due), "captured data")
        file.append(line)
        if file.size_bytes >= _MAXIMUM_BYTES:
            self._upload_now(destination)

    def _folder_of(self, destination: Destination) -> Path:
        name = hashlib.sha256("\0".join(destination).encode()).hexdigest()[:16]
        folder = self._folder / name
        told = folder / _DESTINATION
        if not told.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            partial = told.with_suffix(".part")
            partial.write_bytes(orjson.dumps(list(destination)))
            partial.replace(told)
        return folder

    async def _upload_later(self, destination: Destination, file: _File, due: float) -> None:
        await self._platform.clock.sleep_until(due)
        if self._files.get(destination) is file:
            await self._upload(destination, self._files.pop(destination))

    def _upload_now(self, destination: Destination) -> None:
        file = self._files.pop(destination)
        self._platform.spawn(self._upload(destination, file), "captured data")

    async def _upload(self, destination: Destination, file: _File) -> None:
        file.close()
        await self._put(destination, file.path)

    async def _put(self, destination: Destination, path: Path) -> None:
        """Make an object of a file and remove that.

        It stays for the next start where the disk fails, and is lost where there is no bucket.
        """
        try:
            bucket, prefix = parse_s3_uri(destination.uri)
            data = await asyncio.to_thread(path.read_bytes)
            parts = (prefix.strip("/"), destination.endpoint, destination.variant)
            key = "/".join([*filter(None, parts), path.name.replace("_", "/")])
            await self._platform.objects.put_bytes(
                destination.account, destination.region, bucket, key, data
            )
        except SagebrushError as error:
            _log.warning("captured data of endpoint %s is lost: %s", destination.endpoint, error)
        except OSError as error:
            _log.warning("%s is not in %s yet: %s", path, destination.uri, error)
            return
        path.unlink(missing_ok=True)
        self._tidy(destination, path.parent)

    def _tidy(self, destination: Destination, folder: Path) -> None:
        """Remove a destination's folder that nothing is left in; the next line makes it again."""
        if destination in self._files or any(folder.glob("*.jsonl")):
            return
        try:
            (folder / _DESTINATION).unlink(missing_ok=True)
            folder.rmdir()
        except OSError as error:
            _log.warning("%s stays: %s", folder, error)


def spool_of(platform: Platform) -> Spool:
    """Return the spool of a server."""
    found: Spool | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = Spool(platform)
    return found


def _hour_of(moment: float) -> int:
    """Return the number of a moment's hour since the epoch, whose hours are UTC's."""
    return int(moment // 3600)


def _is_full(folder: Path) -> bool:
    space = os.statvfs(folder)
    return space.f_bavail < (1 - _FULL) * space.f_blocks
