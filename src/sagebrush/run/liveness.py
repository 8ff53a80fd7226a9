"""Whether the shim of a record lives, and notice of its death, without being its parent.

On Linux a process descriptor, opened once the start time matches, so that a reused number is never
mistaken. Elsewhere the shim's lock on the job's directory is looked at now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from pathlib import Path
from typing import Any

from sagebrush.run import records
from sagebrush.run.spec import LOCK_FILE

_POLL_S = 0.2


class Liveness:
    """Follows one shim. Holds a descriptor until the shim's death is noticed or `close`."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._pid = int(record["pid"])
        self._lock_path = Path(record["directory"], LOCK_FILE)
        self._descriptor: int | None = None
        self._dead = record["boot_id"] != records.boot_id()
        if hasattr(os, "pidfd_open") and not self._dead:
            self._open(record)

    def _open(self, record: dict[str, Any]) -> None:
        try:
            self._descriptor = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._dead = True
            return
        # Read after opening: from here on the number cannot be another process's.
        if records.start_time(self._pid) != record["start_time"]:
            self.close()
            self._dead = True

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Stop following; nothing happens to the shim."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def alive(self) -> bool:
        """Return whether the shim lives."""
        if self._dead:
            return False
        if self._descriptor is not None:
            try:
                signal.pidfd_send_signal(self._descriptor, 0)
            except ProcessLookupError:
                return False
            return records.start_time(self._pid) is not None and not _is_zombie(self._pid)
        return not self._lock_is_free()

    def send(self, number: int) -> None:
        """Send a signal, if the shim lives."""
        if self._dead:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            elif self.alive():
                os.kill(self._pid, number)

    async def wait_for_death(self) -> None:
        """Return once the shim is dead. Any number of tasks may wait."""
        if self._descriptor is None or self._dead:
            # No event tells of it here.
            while self.alive():  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)
            return
        loop = asyncio.get_running_loop()
        dead: asyncio.Future[None] = loop.create_future()
        # A copy per waiter: an event loop watches a descriptor for one reader only.
        descriptor = os.dup(self._descriptor)
        loop.add_reader(descriptor, _settle, dead)
        try:
            await dead
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def _lock_is_free(self) -> bool:
        try:
            with self._lock_path.open("r+b") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _settle(dead: asyncio.Future[None]) -> None:
    if not dead.done():
        dead.set_result(None)


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path("/proc", str(pid), "stat").read_text(errors="replace").rpartition(")")[2]
        return fields.split()[0] in {"Z", "X"}
    return True
