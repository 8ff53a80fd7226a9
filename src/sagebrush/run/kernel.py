"""Linux system calls that Python 3.11 does not wrap: namespaces, mounts, capabilities.

Owns nothing but the calls: each raises OSError with the call and its path in the message. Off
Linux, importing works and every call raises OSError(ENOSYS).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

LINUX = sys.platform == "linux"

NEW_MOUNTS = 0x00020000
NEW_HOSTNAME = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PROCESSES = 0x20000000
NEW_NETWORK = 0x40000000

MOUNT_READ_ONLY = 0x1
MOUNT_NO_SETUID = 0x2
MOUNT_NO_DEVICES = 0x4
MOUNT_NO_EXECUTE = 0x8
MOUNT_REMOUNT = 0x20
MOUNT_BIND = 0x1000
MOUNT_RECURSIVE = 0x4000
MOUNT_PRIVATE = 0x40000
DETACH = 0x2

_SET_PARENT_DEATH_SIGNAL = 1
_DROP_FROM_BOUNDING_SET = 24
_SET_CHILD_SUBREAPER = 36
_SET_NO_NEW_PRIVILEGES = 38
_CAPABILITY_VERSION_3 = 0x20080522

_SYSCALL_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTRIBUTE_READ_ONLY = 0x1

_GET_INTERFACE_FLAGS = 0x8913
_SET_INTERFACE_FLAGS = 0x8914
_INTERFACE_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: Any, about: str = "") -> int:
    if not LINUX:
        raise OSError(errno.ENOSYS, f"{name} exists on Linux only")
    result = int(getattr(_libc, name)(*arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name} {about}: {os.strerror(number)}".replace(" :", ":"))
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _call("unshare", ctypes.c_int(flags), about=hex(flags))


def enter_namespace(descriptor: int, kind: int) -> None:
    """Enter the namespace behind an open `/proc/<pid>/ns/*` file."""
    _call("setns", ctypes.c_int(descriptor), ctypes.c_int(kind), about=hex(kind))


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, options: str = ""
) -> None:
    """Mount `source` on `target`."""
    _call(
        "mount",
        source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        options.encode() or None,
        about=f"{kind or 'bind'} {target}",
    )


def unmount(target: str) -> None:
    """Detach whatever is mounted on `target`."""
    _call("umount2", target.encode(), ctypes.c_int(DETACH), about=target)


def make_mounts_private() -> None:
    """Keep every later mount of this namespace from reaching the rest of the machine."""
    mount("none", "/", None, MOUNT_RECURSIVE | MOUNT_PRIVATE)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def set_read_only(path: str, read_only: bool, *, recursive: bool = False) -> None:
    """Make the mount at `path` (and those below it) read-only or writable. Linux 5.12 and later."""
    attributes = _MountAttributes(
        _ATTRIBUTE_READ_ONLY if read_only else 0, 0 if read_only else _ATTRIBUTE_READ_ONLY, 0, 0
    )
    _call(
        "syscall",
        ctypes.c_long(_SYSCALL_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        path.encode(),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
        about=f"mount_setattr {path}",
    )


def set_hostname(name: str) -> None:
    """Name this host inside the current namespace."""
    encoded = name.encode()
    _call("sethostname", encoded, ctypes.c_size_t(len(encoded)), about=name)


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3)
    _call("prctl", ctypes.c_int(option), *arguments, about=str(option))


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` to this process when its parent dies."""
    if LINUX:
        _prctl(_SET_PARENT_DEATH_SIGNAL, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    if LINUX:
        _prctl(_SET_CHILD_SUBREAPER, 1)


def forbid_new_privileges() -> None:
    """Make set-user-id programs powerless for this process and its descendants."""
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)


def keep_capabilities(kept: frozenset[int]) -> None:
    """Give up every capability that is not in `kept`, for good."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        if capability not in kept:
            _prctl(_DROP_FROM_BOUNDING_SET, capability)
    mask = sum(1 << capability for capability in kept) & _permitted_capabilities()
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", header, struct.pack("=6I", low, low, 0, high, high, 0))


def _permitted_capabilities() -> int:
    for line in Path("/proc/self/status").read_text(errors="replace").splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def raise_loopback() -> None:
    """Bring up `lo` of the current network namespace, which gives it 127.0.0.0/8."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(control, _GET_INTERFACE_FLAGS, request)
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(
            control, _SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", flags | _INTERFACE_UP)
        )
