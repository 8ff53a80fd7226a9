"""How much memory this job may use."""

import ctypes
import os
import resource
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of the C library's mallopt, from its malloc.h."""
_RETURNED_BYTES = 1 << 15


def memory_limit_bytes() -> int:
    """The least of the machine's memory, the control group's limit and the process's own."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits.extend(_own_cgroup_limits())
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _own_cgroup_limits() -> list[int]:
    membership = Path("/proc/self/cgroup")
    lines = membership.read_text().splitlines() if membership.is_file() else []
    return [
        int(text)
        for line in ["0::/", "1:memory:/", *lines]
        for path in cgroup_limit_files(line)
        if path.is_file() and (text := path.read_text().strip()).isdigit()
    ]


def cgroup_limit_files(line: str) -> list[Path]:
    """Where the limits of a group may be, from its line in /proc/self/cgroup, and of those above.

    Version 2 has one hierarchy without a controller's name, version 1 one for each controller.
    """
    _, controllers, group = line.split(":", 2)
    if controllers and "memory" not in controllers.split(","):
        return []
    root, name = (
        (_CGROUPS / "memory", "memory.limit_in_bytes") if controllers else (_CGROUPS, "memory.max")
    )
    folder = root / group.lstrip("/")
    return [each / name for each in (folder, *folder.parents) if each.is_relative_to(root)]


def return_freed_memory() -> None:
    """Let the C library share one heap among threads and give large blocks back once freed.

    Each new thread has a heap of its own else, whose holes no other thread fills: a library that
    starts a thread for each page it reads kept twice the memory that it used. No effect where the
    C library is not GNU's.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_ARENA_MAX, 1)
        set_option(_MMAP_THRESHOLD, _RETURNED_BYTES)
