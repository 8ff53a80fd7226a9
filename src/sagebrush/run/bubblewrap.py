"""The sandbox through the `bwrap` program, for machines that let only it make namespaces.

Ubuntu since 24.04 is one: its AppArmor rules refuse mounts in an ordinary user's own namespace and
except bubblewrap. Weaker than `sandbox` in four points: every start is cold, inputs are read-only
and not copied on write, the hosts of a job without network do not reach each other, and a program
that cannot be started shows as exit code 1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sagebrush.run.sandbox import TEMPORARY, Layout, beneath, masked_paths, platform_mounts
from sagebrush.run.spec import Access, Member, ProcessSpec

_PROGRAM = "bwrap"
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


def available() -> bool:
    """Return whether the program is installed."""
    return shutil.which(_PROGRAM) is not None


def command(spec: ProcessSpec, member: Member, inner: list[str]) -> list[str]:
    """Return the command line that runs `inner` in the member's view."""
    # By its full path: the environment is the job's, whose PATH need not know the program.
    program = shutil.which(_PROGRAM, path=os.defpath) or _PROGRAM
    network = () if spec.network else ("--unshare-net",)
    return [
        *(program, "--die-with-parent", *_NAMESPACES, *network, "--cap-drop", "ALL"),
        *("--hostname", member.name, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *_Plan(spec, member).arguments(),
        *("--chdir", member.working_directory, "--", *inner),
    ]


class _Plan:
    """The mounts of one member as arguments. Sources are paths of the machine, whatever covers."""

    def __init__(self, spec: ProcessSpec, member: Member) -> None:
        self.spec = spec
        self.member = member
        self.private = ["/dev"]

    def arguments(self) -> Iterator[str]:
        for device in Path("/dev").glob("nvidia*"):
            yield from ("--dev-bind", str(device), str(device))
        temporary = str(Layout.of(self.spec.directory, self.member.name).temporary)
        for path in masked_paths(self.spec):
            yield from self._mask(path)
        for path in TEMPORARY:
            if Path(path).is_dir():
                yield from self._bind(temporary, path, Access.READ_WRITE)
        for mount in (*platform_mounts(self.spec, self.member), *self.member.mounts):
            yield from self._bind(os.path.realpath(mount.host), mount.inside, mount.access)

    def _mask(self, path: str) -> Iterator[str]:
        if Path(path).is_dir():
            self.private.append(path)
            yield from ("--tmpfs", path)
        else:
            yield from ("--ro-bind", os.devnull, path)

    def _bind(self, source: str, inside: str, access: Access) -> Iterator[str]:
        yield from self._mount_point(inside)
        writable = access is Access.READ_WRITE
        if writable:
            self.private.append(inside)
        yield from ("--bind" if writable else "--ro-bind", source, inside)

    def _mount_point(self, inside: str) -> Iterator[str]:
        """Cover the nearest existing parent, if the program could not make `inside` there."""
        if any(beneath(inside, root) for root in self.private) or Path(inside).exists():
            return
        ancestor = Path(inside).parent
        while not ancestor.exists():
            ancestor = ancestor.parent
        self.private.append(str(ancestor))
        yield from ("--tmpfs", str(ancestor))
        for entry in os.scandir(ancestor):
            if entry.is_symlink():
                yield from ("--symlink", str(Path(entry.path).readlink()), entry.path)
            else:
                yield from ("--ro-bind", entry.path, entry.path)
