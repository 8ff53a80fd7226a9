"""What model servers print, in the log group of their endpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sagebrush.engines.fleets import MEMBER_NAME
from sagebrush.run.tail import Batch, follow
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.records import Resource


class ContainerLogs:
    """Follows one log file per model server."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._followed: dict[tuple[str, str, int], Path] = {}

    def follow(self, endpoint: Resource, variant: str, ordinal: int, directory: Path) -> None:
        """Bring a server's output into the log store from now on, in place of its predecessor's."""
        self._followed[endpoint.arn, variant, ordinal] = directory
        self._platform.spawn(
            self._transfer(endpoint, variant, ordinal, directory), f"log of {directory}"
        )

    def tell(self, endpoint: Resource, variant: str, line: str) -> None:
        """Add a line of the platform's own to a variant's log."""
        self._put(endpoint, f"{variant}/platform", [line])

    async def _transfer(
        self, endpoint: Resource, variant: str, ordinal: int, directory: Path
    ) -> None:
        path = directory / f"{MEMBER_NAME}.log"
        stream = f"{variant}/{instance_id(directory)}"
        key = (endpoint.arn, variant, ordinal)

        def replaced() -> bool:
            return self._followed.get(key) != directory or not directory.exists()

        async for batch in follow(path, self._offset(path), replaced):
            self._store(endpoint, stream, path, batch)
        self._platform.db.execute("DELETE FROM sagemaker_hosting_logs WHERE path = ?", (str(path),))

    def _offset(self, path: Path) -> int:
        row = self._platform.db.one(
            "SELECT offset FROM sagemaker_hosting_logs WHERE path = ?", (str(path),)
        )
        return 0 if row is None else int(row["offset"])

    def _store(self, endpoint: Resource, stream: str, path: Path, batch: Batch) -> None:
        with self._platform.db.transaction():
            self._put(endpoint, stream, batch.lines)
            self._platform.db.execute(
                "INSERT OR REPLACE INTO sagemaker_hosting_logs VALUES (?, ?)",
                (str(path), batch.offset),
            )

    def _put(self, endpoint: Resource, stream: str, lines: list[str] | tuple[str, ...]) -> None:
        now_ms = int(self._platform.clock.now() * 1000)
        self._platform.logs.put(
            endpoint.account,
            endpoint.region,
            log_group(endpoint.name),
            stream,
            [(now_ms, line) for line in lines],
            create=True,
        )


def log_group(endpoint_name: str) -> str:
    """Return the log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint_name}"


def instance_id(directory: Path) -> str:
    """Return an instance id of EC2's form, the same for the same process."""
    return "i-0" + hashlib.sha256(str(directory).encode()).hexdigest()[:16]
