"""Memory and CPU ceilings of a group of processes: cgroup v2, else v1, else rlimits.

The choice is made once by `detect`, which really creates a group and moves a process into it, and
is handed to the shim by name, so that a job never runs under weaker limits than `describe` said.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import hashlib
import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from sagebrush.run.spec import Limits

CGROUP_V2 = "cgroup-v2"
CGROUP_V1 = "cgroup-v1"
RESOURCE_LIMITS = "rlimits"
NONE = "none"

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_V1_CONTROLLERS = ("memory", "cpu")


@dataclass(frozen=True)
class Usage:
    """What a group used: None where the machine does not tell."""

    memory_peak_bytes: int | None = None
    out_of_memory: bool = False


class Group:
    """The ceilings of one member; this base enforces what rlimits can."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def create(self) -> None:
        """Prepare the group, in the shim, before the member starts."""

    def join(self) -> None:
        """Put the calling process under the ceilings."""
        if self.limits.memory_bytes is not None:
            # RLIMIT_DATA and not RLIMIT_AS: reserved but unused address space must stay free.
            ceiling = self.limits.memory_bytes
            resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))

    def usage(self) -> Usage:
        """Return what was used so far."""
        return Usage()

    def remove(self, patience_s: float = 2.0) -> None:
        """Remove the group, and whatever process is still in it. Raises OSError if that fails."""


class _Unlimited(Group):
    def join(self) -> None:
        """Nothing to join."""


class _ControlGroup(Group, abc.ABC):
    _membership = "cgroup.procs"

    def __init__(self, limits: Limits, directories: tuple[Path, ...]) -> None:
        super().__init__(limits)
        self.directories = directories

    def create(self) -> None:
        for directory in self.directories:
            directory.mkdir(parents=True, exist_ok=True)
        self._write_limits()

    @abc.abstractmethod
    def _write_limits(self) -> None:
        """Write the ceilings into the files of the hierarchy's version."""

    def join(self) -> None:
        for directory in self.directories:
            # 0 is the writer itself, whatever its process namespace calls it.
            (directory / self._membership).write_text("0")

    def remove(self, patience_s: float = 2.0) -> None:
        for directory in self.directories:
            _kill_all(directory)
            _remove_group(directory, patience_s)


class _VersionTwo(_ControlGroup):
    def _write_limits(self) -> None:
        directory, limits = self.directories[0], self.limits
        if limits.memory_bytes is not None:
            (directory / "memory.max").write_text(str(limits.memory_bytes))
            _write_if_present(directory / "memory.swap.max", "0")
        if limits.cpu_count is not None:
            quota = int(limits.cpu_count * _PERIOD_US)
            (directory / "cpu.max").write_text(f"{quota} {_PERIOD_US}")

    def usage(self) -> Usage:
        directory = self.directories[0]
        return Usage(
            _read_number(directory / "memory.peak"),
            _read_counter(directory / "memory.events", "oom_kill") > 0,
        )


class _VersionOne(_ControlGroup):
    # For the writing thread alone, and the init has no other, the kernel spares itself waiting for
    # all processors: 1 ms instead of 20.
    _membership = "tasks"

    def _write_limits(self) -> None:
        (memory, cpu), limits = self.directories, self.limits
        if limits.memory_bytes is not None:
            (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
            _write_if_present(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
        if limits.cpu_count is not None:
            (cpu / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (cpu / "cpu.cfs_quota_us").write_text(str(int(limits.cpu_count * _PERIOD_US)))

    def usage(self) -> Usage:
        memory = self.directories[0]
        return Usage(
            _read_number(memory / "memory.max_usage_in_bytes"),
            _read_counter(memory / "memory.oom_control", "oom_kill") > 0,
        )


def group_of(limiter: str, job_directory: str, member_name: str, limits: Limits) -> Group:
    """Return the group of a member; the same arguments always name the same group."""
    digest = hashlib.sha256(f"{job_directory}\0{member_name}".encode()).hexdigest()[:24]
    name = f"sagebrush-{digest}"
    if limiter == CGROUP_V2:
        return _VersionTwo(limits, (_v2_parent() / name,))
    if limiter == CGROUP_V1:
        return _VersionOne(limits, tuple(_v1_parent(kind) / name for kind in _V1_CONTROLLERS))
    return Group(limits) if limiter == RESOURCE_LIMITS else _Unlimited(limits)


def detect() -> tuple[str, list[str]]:
    """Return the strongest limiter that works here and why each stronger one does not."""
    reasons: list[str] = []
    probe = Limits(memory_bytes=1 << 30, cpu_count=1.0)
    for limiter in (CGROUP_V2, CGROUP_V1):
        try:
            _try_group(group_of(limiter, "/probe", str(os.getpid()), probe))
        except OSError as error:
            reasons.append(f"{limiter}: {error}")
        else:
            return limiter, reasons
    if hasattr(resource, "RLIMIT_DATA") and os.uname().sysname == "Linux":
        return RESOURCE_LIMITS, reasons
    return NONE, [*reasons, "rlimits: not enforced by this kernel"]


def _try_group(group: Group) -> None:
    group.create()
    try:
        child = os.fork()
        if child == 0:
            try:
                group.join()
            except OSError as error:
                os._exit(error.errno or 1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise OSError(code, f"cannot move a process: {os.strerror(code)}")
    finally:
        group.remove()


def _own_groups() -> dict[str, str]:
    """Return this process's group by controller name; version two is under the empty name."""
    groups = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _v1_parent(controller: str) -> Path:
    own = _own_groups().get(controller)
    if own is None:
        raise OSError(errno.ENOENT, f"no {controller} controller")
    nested = _ROOT / controller / own.lstrip("/")
    # In a container the path of the host may be what is reported: the mount is then our own root.
    return nested if nested.is_dir() else _ROOT / controller


def _v2_parent() -> Path:
    """Return the highest group we may create in that hands down memory and cpu.

    A group with processes of its own cannot hand down controllers, except the root, so our own
    group is never the answer on an ordinary machine: its ancestors are.
    """
    if not (_ROOT / "cgroup.controllers").exists():
        raise OSError(errno.ENOENT, "the unified hierarchy is not mounted")
    own = _ROOT / _own_groups().get("", "/").lstrip("/")
    candidates = [path for path in (own, *own.parents) if path == _ROOT or _ROOT in path.parents]
    for directory in reversed(candidates):
        control = directory / "cgroup.subtree_control"
        if not os.access(directory, os.W_OK) or not control.exists():
            continue
        if {"memory", "cpu"} <= set(control.read_text().split()):
            return directory
    raise OSError(errno.EACCES, "no writable group hands down memory and cpu")


def _kill_all(directory: Path) -> None:
    """Kill what outlived a shim that was killed itself; usually nothing."""
    members = directory / "cgroup.procs"
    if members.exists():
        for pid in members.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _remove_group(directory: Path, patience_s: float) -> None:
    """Remove an empty group; killed processes leave it a moment after they were reaped."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _write_if_present(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text)


def _read_number(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


def _read_counter(path: Path, name: str) -> int:
    if not path.exists():
        return 0
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
