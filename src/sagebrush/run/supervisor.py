"""The server's side of jobs: start, find again, wait, stop.

Holds nothing that a restart would lose: everything about a job is in its directory, and a shim is
found by process number, start time and boot. Any number of servers may come and go under a job.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.base.errors import StateError
from sagebrush.run import records
from sagebrush.run.facilities import Facilities
from sagebrush.run.families import Family, StartError, Zygotes, clean_environment
from sagebrush.run.limits import NONE, group_of
from sagebrush.run.liveness import Liveness
from sagebrush.run.records import Exit, Phase
from sagebrush.run.sandbox import BUBBLEWRAP, NAMESPACES, USER_NAMESPACES
from sagebrush.run.sockets import connect
from sagebrush.run.spec import SPEC_FILE, STOP_FILE, ProcessSpec, Readiness

_LOG = logging.getLogger(__name__)
_IDLE_PARENT_S = 900.0
_KILL_PATIENCE_S = 15.0
_READY_POLL_S = 0.02


@dataclass(frozen=True)
class Lost:
    """The fate of a job whose shim died without an exit record: a reboot, or a kill of the shim."""

    directory: str


class Handle:
    """A job that was started, by this server or an earlier one."""

    def __init__(self, record: dict[str, Any], liveness: Liveness) -> None:
        self.record = record
        self.directory = Path(record["directory"])
        self._liveness = liveness

    @property
    def alive(self) -> bool:
        """Return whether the shim still carries the job."""
        return self._liveness.alive()

    @property
    def phase(self) -> Phase:
        """Return what the shim is doing, or did last."""
        current = records.read_shim(self.directory) or self.record
        return Phase(current["phase"])

    async def wait(self) -> Exit | Lost:
        """Return how the job ended, once it has."""
        await self._liveness.wait_for_death()
        return _fate(self.directory)

    def stop(self, grace_s: float, *, archive: bool = True) -> None:
        """Ask the members to end with SIGTERM and, `grace_s` later, SIGKILL. Packs what is left.

        Raises OSError when the disk has no room for the request; the members are then asked all
        the same, under the spec's own grace period.
        """
        request = {"grace_s": grace_s, "archive": archive}
        try:
            records.write_atomically(self.directory / STOP_FILE, request)
        finally:
            self._liveness.send(signal.SIGTERM)

    async def kill(self) -> Exit | Lost:
        """End everything at once, without archives, and return the job's fate."""
        try:
            self.stop(0.0, archive=False)
        except OSError as error:
            _LOG.warning("%s: %s: killing without a request", self.directory, error)
            self._liveness.send(signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILL_PATIENCE_S):
                return await self.wait()
        except TimeoutError:
            self._liveness.send(signal.SIGKILL)
            return await self.wait()

    async def wait_ready(self, readiness: Readiness, timeout_s: float) -> bool:
        """Return True once the server process answers as expected; False if it ends or is late."""
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up and self.alive:
            if await _answers(readiness):
                return True
            await asyncio.sleep(_READY_POLL_S)
        return False


class Supervisor:
    """Starts and finds jobs. `directory` is its own, for parents' logs and the like.

    `isolation` overrides what was found to work, to run without a sandbox on purpose.
    """

    def __init__(
        self,
        directory: Path,
        families: Mapping[str, Family] | None = None,
        *,
        isolation: str | None = None,
        idle_parent_s: float = _IDLE_PARENT_S,
    ) -> None:
        self.directory = directory.absolute()
        self.zygotes = Zygotes(families or {}, idle_parent_s)
        self._isolation = isolation
        self._facilities: Facilities | None = None
        self._probing = asyncio.Lock()

    @property
    def python_path(self) -> str:
        """Return a directory holding this package and nothing else, for other interpreters."""
        path = self.directory / "python"
        link, package = path / "sagebrush", Path(__file__).resolve().parents[1]
        if not (link.is_symlink() and link.readlink() == package):
            path.mkdir(parents=True, exist_ok=True)
            partial = path / f"sagebrush.{os.getpid()}"
            partial.unlink(missing_ok=True)
            partial.symlink_to(package)
            partial.replace(link)
        return str(path)

    async def facilities(self) -> Facilities:
        """Return what jobs run under here; found out once."""
        async with self._probing:
            if self._facilities is None:
                self._facilities = await self._probe()
        return self._facilities

    def add_family(self, family: Family) -> None:
        """Make a family known, such as one of an environment built meanwhile."""
        self.zygotes.families[family.name] = family

    async def prewarm(self, family: str) -> None:
        """Have the family's parent loaded. Raises StartError."""
        facilities = await self.facilities()
        if facilities.isolation != BUBBLEWRAP:
            await self._zygote(family)

    async def start(self, spec: ProcessSpec) -> Handle:
        """Start a job whose directory was never started before; returns once its shim runs.

        Raises ConfigurationError for a contradictory spec, StartError when the machine refuses.
        The handle's `record` is to be kept; so is the directory, from which alone the job can be
        adopted, too.
        """
        spec.check()
        if records.read_shim(Path(spec.directory)) is not None:
            raise StartError(f"the job in {spec.directory} was started before")
        facilities = await self.facilities()
        preloaded = self.zygotes.families.get(spec.family or "")
        interpreter = spec.interpreter or (preloaded and preloaded.interpreter) or sys.executable
        spec = dataclasses.replace(
            spec,
            # The program that makes the sandbox starts another, so nothing preloaded gets in.
            family=None if facilities.isolation == BUBBLEWRAP else spec.family,
            interpreter=interpreter,
            isolation=facilities.isolation,
            limiter=facilities.limiter,
            overlay=facilities.overlay,
            python_path=self.python_path,
        )
        _write_spec(spec)
        if spec.family is not None:
            record = await self._fork_warm(spec.family, spec.directory)
        else:
            record = await self._start_cold(spec.directory)
        return Handle(record, Liveness(record))

    def adopt(self, directory: Path) -> Handle | Exit | Lost:
        """Return the running job of `directory`, or how it ended, after a restart of the server.

        Raises StateError if no shim ever started there: the job can be started again then.
        """
        record = records.read_shim(directory)
        if record is None:
            raise StateError(f"no job was ever started in {directory}")
        liveness = Liveness(record)
        if liveness.alive():
            return Handle(record, liveness)
        return _fate(directory)

    async def close(self) -> None:
        """End the preloaded parents. Jobs go on."""
        await self.zygotes.close()

    async def _zygote(self, family: str) -> Any:
        return await self.zygotes.get(family, self.directory, self.python_path, sys.executable)

    async def _fork_warm(self, family: str, directory: str) -> dict[str, Any]:
        zygote = await self._zygote(family)
        try:
            return dict(await zygote.fork(directory))
        except (ConnectionError, TimeoutError):
            self.zygotes.forget(family, zygote)
        # It may have died just after the fork: the lock on the directory refuses a second run.
        record = records.read_shim(Path(directory))
        if record is not None:
            return record
        zygote = await self._zygote(family)
        return dict(await zygote.fork(directory))

    async def _start_cold(self, directory: str) -> dict[str, Any]:
        output = await self._run_python("sagebrush.run.shim", directory)
        record: dict[str, Any] = json.loads(output or b'{"error": "the shim ended at start"}')
        if "error" in record:
            raise StartError(record["error"])
        return record

    async def _probe(self) -> Facilities:
        self.directory.mkdir(parents=True, exist_ok=True)
        output = await self._run_python("sagebrush.run.facilities", str(self.directory))
        if not output:
            raise StartError(f"cannot find out what this machine offers; see {self._log}")
        found = Facilities.from_json(output)
        if self._isolation is not None and self._isolation != found.isolation:
            asked = f"{self._isolation} was asked for, {found.isolation} works"
            return dataclasses.replace(
                found,
                isolation=self._isolation,
                overlay=found.overlay and self._isolation in (NAMESPACES, USER_NAMESPACES),
                reasons=(*found.reasons, asked),
            )
        return found

    @property
    def _log(self) -> Path:
        return self.directory / "run.log"

    async def _run_python(self, module: str, argument: str) -> bytes:
        """Return what `python -m module argument` printed; without site packages, to start fast."""
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", "-m", module, argument),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=clean_environment(self.python_path),
            )
            output, _ = await process.communicate()
        return output


def _fate(directory: Path) -> Exit | Lost:
    ended = records.read_exit(directory)
    if ended is None:
        _remove_leftovers(directory)
    return ended or Lost(str(directory))


def _remove_leftovers(directory: Path) -> None:
    """Remove the groups of a job whose shim was killed, with every process still in them.

    An empty group that cannot be removed does no harm, so the job's fate is told all the same.
    """
    with contextlib.suppress(FileNotFoundError):
        spec = ProcessSpec.from_json((directory / SPEC_FILE).read_bytes())
        if spec.limiter != NONE:
            for member in spec.members:
                group = group_of(spec.limiter, spec.directory, member.name, spec.limits)
                try:
                    group.remove(patience_s=0.2)
                except OSError as error:
                    _LOG.warning("%s: group of %s stays behind: %s", directory, member.name, error)


def _write_spec(spec: ProcessSpec) -> None:
    path = Path(spec.directory, SPEC_FILE)
    path.touch(mode=0o600)
    path.write_bytes(spec.to_json())


async def _answers(readiness: Readiness) -> bool:
    try:
        reader, writer = await connect(readiness.socket)
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    try:
        writer.write(readiness.request)
        answer = await reader.readexactly(len(readiness.expected))
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    finally:
        writer.close()
    return answer == readiness.expected
