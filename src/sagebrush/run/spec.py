"""What to run: the complete, serialisable description of a job's processes.

A spec says everything the shim needs, because the shim outlives the server: nothing is inherited
and nothing is asked for later. Paths named `host` are paths of this machine; paths named `inside`
are what the job sees. Where no sandbox is active (`isolation == "process"`) the two are the same
and the shim rewrites every argument, environment value and keyword that starts with an `inside`
path of a mount.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.base.errors import ConfigurationError

SPEC_FILE = "spec.json"
SHIM_FILE = "shim.json"
EXIT_FILE = "exit.json"
STOP_FILE = "stop.json"
LOCK_FILE = "shim.lock"
SHIM_LOG_FILE = "shim.log"

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class Access(enum.StrEnum):
    """What a job may do to a mounted path."""

    READ_ONLY = "read-only"
    READ_WRITE = "read-write"
    COPY_ON_WRITE = "copy-on-write"
    """Looks writable, never changes the host's files. Read-only where the kernel has no overlay."""


@dataclass(frozen=True)
class Mount:
    """A host file or directory and where the job sees it.

    Later mounts lie over earlier ones. A FIFO does not work through COPY_ON_WRITE: mount the
    directory that holds it READ_WRITE and its sibling directories COPY_ON_WRITE.
    """

    host: str
    inside: str
    access: Access = Access.READ_ONLY


@dataclass(frozen=True)
class Entry:
    """A Python function to call: `module:function`, JSON-able keyword arguments.

    It returns the exit code (None is 0). Called in a fork of the preloaded parent when the spec has
    a `family`, otherwise in a fresh interpreter.
    """

    function: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """One host of a job: either `argv` or `entry`.

    `environment` is complete. `threads` sets the thread pools of libraries a preloaded parent has
    already loaded; a fresh interpreter reads OMP_NUM_THREADS and its kin from `environment`.
    Output goes, unaltered, to `<directory>/<name>.log`.
    """

    name: str
    argv: tuple[str, ...] = ()
    entry: Entry | None = None
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    working_directory: str = "/tmp"  # noqa: S108 - the job's own, not the machine's
    threads: int = 1


@dataclass(frozen=True)
class Limits:
    """Ceilings of each member; None is unlimited."""

    memory_bytes: int | None = None
    cpu_count: float | None = None


@dataclass(frozen=True)
class Feeder:
    """Streams files into FIFOs `<fifo>_0`, `<fifo>_1`, ... , one per pass over the data.

    `sources` are host files sent one after another, or `records` is a host file of JSON lines, each
    a list of parts `{"path": file}` or `{"text": string}`, every part one record. `gzip` inflates
    each source; `wrap` frames each source or part as one RecordIO record; `shuffle_seed` shuffles
    the order anew in each pass.
    """

    fifo: str
    sources: tuple[str, ...] = ()
    records: str | None = None
    gzip: bool = False
    wrap: bool = False
    shuffle_seed: int | None = None


@dataclass(frozen=True)
class Archive:
    """A gzip tar made after the members ended: of `roots`, directories under the job's directory.

    Missing roots count as empty. The same content gives the same bytes. `compression_level` is
    zlib's 0-9. `destination` and `roots` are relative to the job's directory; `files` adds single
    files, by base name.
    """

    destination: str
    roots: tuple[str, ...]
    files: tuple[str, ...] = ()
    compression_level: int = 6
    skip_empty: bool = False


@dataclass(frozen=True)
class Readiness:
    """How to see that a server process serves: what to send to its unix socket, how it answers."""

    socket: str
    request: bytes
    expected: bytes


@dataclass(frozen=True)
class ProcessSpec:
    """A job: its members, and everything done around them.

    `directory` is private to the job and must exist. `hidden` host paths look empty inside.
    `network=False` leaves only a loopback, shared by the members. Without `max_runtime_s` there is
    no deadline. `interpreter` runs an `entry` that has no `family`. `isolation` is filled in by the
    supervisor.
    """

    name: str
    directory: str
    members: tuple[Member, ...]
    family: str | None = None
    interpreter: str = ""
    hidden: tuple[str, ...] = ()
    network: bool = True
    limits: Limits = field(default_factory=Limits)
    max_runtime_s: float | None = None
    grace_s: float = 120.0
    feeders: tuple[Feeder, ...] = ()
    archives: tuple[Archive, ...] = ()
    isolation: str = "process"
    limiter: str = "none"
    overlay: bool = False
    python_path: str = ""

    def check(self) -> None:
        """Raise ConfigurationError when the spec contradicts itself."""
        names = [member.name for member in self.members]
        if not names or len(set(names)) != len(names):
            raise ConfigurationError(f"job {self.name}: members need distinct names, got {names}")
        for member in self.members:
            if not _SAFE_NAME.fullmatch(member.name):
                raise ConfigurationError(f"job {self.name}: bad member name {member.name!r}")
            if bool(member.argv) == (member.entry is not None):
                raise ConfigurationError(f"{member.name}: give either argv or entry")
        if not Path(self.directory).is_absolute():
            raise ConfigurationError(f"job {self.name}: directory must be absolute")

    def to_json(self) -> bytes:
        """Return the spec as UTF-8 JSON."""
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> ProcessSpec:
        """Return the spec that `to_json` wrote."""
        raw = json.loads(text)
        raw["members"] = tuple(_member(item) for item in raw["members"])
        raw["limits"] = Limits(**raw["limits"])
        raw["feeders"] = tuple(Feeder(**_tupled(item)) for item in raw["feeders"])
        raw["archives"] = tuple(Archive(**_tupled(item)) for item in raw["archives"])
        raw["hidden"] = tuple(raw["hidden"])
        return cls(**raw)


def _member(raw: dict[str, Any]) -> Member:
    raw["argv"] = tuple(raw["argv"])
    raw["entry"] = Entry(**raw["entry"]) if raw["entry"] else None
    raw["mounts"] = tuple(
        Mount(item["host"], item["inside"], Access(item["access"])) for item in raw["mounts"]
    )
    return Member(**raw)


def _tupled(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(item) if isinstance(item, list) else item for key, item in raw.items()}


def host_path(mounts: tuple[Mount, ...], text: str) -> str:
    """Return `text` with a leading `inside` path, the longest that fits, made the host's."""
    for mount in sorted(mounts, key=lambda mount: len(mount.inside), reverse=True):
        if text == mount.inside or text.startswith(mount.inside.rstrip("/") + "/"):
            return os.path.normpath(mount.host) + text[len(mount.inside.rstrip("/")) :]
    return text


def without_sandbox(member: Member) -> Member:
    """Return `member` with the `inside` paths in its arguments and environment made host paths."""

    def translate(value: Any) -> Any:
        if isinstance(value, str):
            return host_path(member.mounts, value)
        if isinstance(value, dict):
            return {key: translate(item) for key, item in value.items()}
        if isinstance(value, list):
            return [translate(item) for item in value]
        return value

    entry = member.entry
    return dataclasses.replace(
        member,
        argv=tuple(host_path(member.mounts, item) for item in member.argv),
        entry=entry and Entry(entry.function, translate(entry.arguments)),
        environment=translate(member.environment),
        working_directory=host_path(member.mounts, member.working_directory),
    )
