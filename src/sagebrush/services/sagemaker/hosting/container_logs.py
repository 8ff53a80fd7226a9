"""What model servers print, in the log group of their endpoint or transform job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from sagebrush.engines.fleets import MEMBER_NAME, Place
from sagebrush.run.records import read_exit
from sagebrush.run.tail import Batch, follow, read_batch
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.records import Resource

_OUT_OF_MEMORY = "The model server has used more memory than it may, and was ended by the machine."

_log = logging.getLogger(__name__)


class ServerLogs:
    """Brings the output of model servers into streams of one log group.

    Lines and the offset behind them are stored together, so that nothing is lost or told twice
    however the server ends.
    """

    def __init__(self, platform: Platform, account: str, region: str, group: str) -> None:
        self._platform = platform
        self._account = account
        self._region = region
        self._group = group
        self._followers: dict[Path, tuple[str, asyncio.Task[None]]] = {}

    def begin(self, stream: str, directory: Path) -> None:
        """Follow a process's output from where it was last read."""
        name = f"log of {directory}"
        task = self._platform.spawn(self._follow(stream, directory), name, looks_on=True)
        self._followers[directory] = stream, task

    async def end(self, directory: Path) -> None:
        """Store the last of a process's output."""
        stream, task = self._followers.pop(directory, ("", None))
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        path = directory / f"{MEMBER_NAME}.log"
        while (batch := read_batch(path, self._offset(path), ended=True)).lines:
            self._store(stream, path, batch)
        record = read_exit(directory)
        if record is not None and record.out_of_memory:
            self.put(stream, [_OUT_OF_MEMORY])
        self._platform.db.execute("DELETE FROM sagemaker_hosting_logs WHERE path = ?", (str(path),))

    def put(self, stream: str, lines: Sequence[str]) -> None:
        """Add lines to a stream."""
        now_ms = int(self._platform.clock.now() * 1000)
        self._platform.logs.put(
            self._account,
            self._region,
            self._group,
            stream,
            [(now_ms, line) for line in lines if line],
            create=True,
        )

    async def _follow(self, stream: str, directory: Path) -> None:
        path = directory / f"{MEMBER_NAME}.log"
        try:
            async for batch in follow(path, self._offset(path), lambda: False):
                self._store(stream, path, batch)
        except Exception:  # noqa: BLE001 - logs may stop, the endpoint may not
            _log.exception("%s is followed no longer", path)

    def _offset(self, path: Path) -> int:
        row = self._platform.db.one(
            "SELECT offset FROM sagemaker_hosting_logs WHERE path = ?", (str(path),)
        )
        return 0 if row is None else int(row["offset"])

    def _store(self, stream: str, path: Path, batch: Batch) -> None:
        with self._platform.db.transaction():
            self.put(stream, batch.lines)
            self._platform.db.execute(
                "INSERT OR REPLACE INTO sagemaker_hosting_logs VALUES (?, ?)",
                (str(path), batch.offset),
            )


class ContainerLogs(ServerLogs):
    """Brings the output of one endpoint's model servers into the log store; a fleet's observer."""

    def __init__(self, platform: Platform, endpoint: Resource) -> None:
        super().__init__(platform, endpoint.account, endpoint.region, log_group(endpoint.name))

    def server_started(self, place: Place, directory: Path) -> None:
        """Follow a process's output from where it was last read."""
        container = f"/{place.container}" if place.container else ""
        stream = f"{place.variant}/{instance_id(place)}{container}"
        # There before the first line: what answers in silence can be looked at, too.
        self._platform.logs.ensure_stream(self._account, self._region, self._group, stream)
        self.begin(stream, directory)

    async def server_ended(self, directory: Path) -> None:
        """Store the last of a process's output."""
        await self.end(directory)

    def tell(self, variant: str, line: str) -> None:
        """Add a line of the platform's own to a variant's log."""
        self.put(f"{variant}/platform", [line])


def log_group(endpoint_name: str) -> str:
    """Return the log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def instance_id(place: Place) -> str:
    """Return an instance id of EC2's form: a process and those that replace it are on one."""
    return f"i-0{place.instance_key}"
