"""What a shim leaves in the job's directory: who it is, and how the job ended.

Written by rename, so a reader sees a whole record or none. The exit record's blocks are reserved
when the job starts: a disk that the job filled up does not lose its fate.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.run.spec import EXIT_FILE, SHIM_FILE

_RESERVED_BYTES = 64 << 10


class Reason(enum.StrEnum):
    """Why a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """A member ended with a non-zero exit code or by a signal nobody asked for."""
    STOPPED = "stopped"
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"
    """The shim got SIGTERM without a request to stop: the machine shuts down."""
    FEED_FAILED = "feed-failed"
    ARCHIVE_FAILED = "archive-failed"
    START_FAILED = "start-failed"


class Phase(enum.StrEnum):
    """What a shim is doing."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ARCHIVING = "archiving"


@dataclass(frozen=True)
class MemberExit:
    """How one member ended. Times are epoch seconds; one of `exit_code` and `signal` is set.

    Neither is set when the member never started; `error` then says why.
    """

    name: str
    exit_code: int | None = None
    signal: int | None = None
    started_at: float | None = None
    ended_at: float | None = None
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    out_of_memory: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Exit:
    """How a job ended. `phases` maps each phase to its begin and end in epoch seconds.

    `archives` maps destinations to sizes in bytes, None for a skipped one. `failed_member` is the
    member that failed first.
    """

    reason: Reason
    members: tuple[MemberExit, ...] = ()
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    archives: dict[str, int | None] = field(default_factory=dict)
    failed_member: str | None = None
    error: str | None = None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code that stands for the job, 128 + n for signal n; None if none ran."""
        ended = [member for member in self.members if member.ended_at is not None]
        first = next((m for m in ended if m.name == self.failed_member), None)
        for member in [first] if first else ended:
            code = 128 + member.signal if member.signal else member.exit_code
            if code:
                return code
        return 0 if ended else None

    @property
    def out_of_memory(self) -> bool:
        """Return whether any member ran into its memory ceiling."""
        return any(member.out_of_memory for member in self.members)


def write_atomically(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON. Survives the death of the writer, not of the machine."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value))
    partial.replace(path)


def reserve_exit(directory: Path) -> None:
    """Allocate the room of the exit record, while there is some."""
    with _partial_exit(directory).open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, _RESERVED_BYTES)
        else:
            file.write(b"\0" * _RESERVED_BYTES)


def write_exit(directory: Path, record: Exit) -> None:
    """Write the exit record durably. Needs no room on the disk up to 64 KiB."""
    partial = _partial_exit(directory)
    text = json.dumps(dataclasses.asdict(record)).encode()
    with partial.open("r+b") as file:
        file.write(text)
        file.truncate(len(text))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / EXIT_FILE)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _partial_exit(directory: Path) -> Path:
    return directory / f"{EXIT_FILE}.reserved"


def read_exit(directory: Path) -> Exit | None:
    """Return how the job in `directory` ended, or None while there is no record."""
    raw = _read(directory / EXIT_FILE)
    if raw is None:
        return None
    raw["reason"] = Reason(raw["reason"])
    raw["members"] = tuple(MemberExit(**member) for member in raw["members"])
    raw["phases"] = {name: (begin, end) for name, (begin, end) in raw["phases"].items()}
    return Exit(**raw)


def read_shim(directory: Path) -> dict[str, Any] | None:
    """Return the record of the shim of the job in `directory`, or None if none ever started."""
    return _read(directory / SHIM_FILE)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return value


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if there is no such process.

    With the boot's id this tells a process from a later one with the same number. Elsewhere than on
    Linux it is 0 for every process.
    """
    path = Path("/proc", str(pid), "stat")
    if not Path("/proc/self").exists():
        return 0
    try:
        # The name, field 2, may hold spaces and parentheses.
        return int(path.read_text(errors="replace").rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def boot_id() -> str:
    """Return an identifier that changes with every boot; empty where there is none."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""
