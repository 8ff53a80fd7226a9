"""A private view of the machine for one member: its own mounts, processes, host name, network.

The root file system is the machine's, read-only; `/tmp`, `/dev/shm` and the member's own mounts are
private; hidden paths are empty. Nothing on the host is created or changed: a mount point that does
not exist is made inside a tmpfs laid over its nearest existing parent, whose other entries are
bound back. The calling process loses every capability that could undo this.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sagebrush.run import kernel
from sagebrush.run.spec import Access, Member, Mount, ProcessSpec

NAMESPACES = "namespaces"
USER_NAMESPACES = "user-namespaces"
BUBBLEWRAP = "bubblewrap"
PROCESS = "process"

# What a service in a container usually keeps; none of these reaches outside the sandbox.
_KEPT_CAPABILITIES = frozenset(
    {
        0,  # CHOWN
        1,  # DAC_OVERRIDE
        3,  # FOWNER
        4,  # FSETID
        5,  # KILL
        6,  # SETGID
        7,  # SETUID
        10,  # NET_BIND_SERVICE
    }
)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "dri", "kfd")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - covered by private ones
_SECRETS_IN_HOME = (".aws", ".ssh", ".gnupg", ".docker", ".kube", ".netrc", ".config/gcloud")


@dataclass(frozen=True)
class Layout:
    """Where a member's private files lie on the host."""

    temporary: Path
    overlays: Path
    hosts: Path

    @classmethod
    def of(cls, job_directory: str, member_name: str) -> Layout:
        """Return the layout of one member of a job."""
        own = Path(job_directory) / "private" / member_name
        return cls(own / "tmp", own / "overlays", own / "hosts")


def prepare(spec: ProcessSpec, member: Member) -> None:
    """Make a member's private files on the host, before its process exists."""
    layout = Layout.of(spec.directory, member.name)
    layout.temporary.mkdir(parents=True, exist_ok=True)
    layout.overlays.mkdir(exist_ok=True)
    layout.hosts.write_text(_hosts_file(spec, member))
    for index in range(len(member.mounts)):
        for part in ("upper", "work"):
            (layout.overlays / str(index) / part).mkdir(parents=True, exist_ok=True)
    for directory in (layout.temporary.parent.parent, layout.temporary.parent):
        directory.chmod(0o755)
    layout.temporary.chmod(0o1777)


def _hosts_file(spec: ProcessSpec, member: Member) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{loopback_address(index)} {peer.name}" for index, peer in enumerate(spec.members)]
    machine = Path("/etc/hosts")
    if spec.network and machine.exists():
        lines += machine.read_text(errors="replace").splitlines()
    return "\n".join(lines) + f"\n# {member.name}\n"


def loopback_address(index: int) -> str:
    """Return the address of the member at `index`: each has its own, all reach each other."""
    return f"127.0.{index // 250}.{index % 250 + 1}"


def has_own_namespaces(spec: ProcessSpec) -> bool:
    """Return whether our own processes enter namespaces, the init as the first of its own."""
    return spec.isolation in (NAMESPACES, USER_NAMESPACES)


def enter_job(spec: ProcessSpec) -> None:
    """Put the shim where all its members start from: the user and network namespaces of the job."""
    if not has_own_namespaces(spec):
        return
    if spec.isolation == USER_NAMESPACES:
        user, group = os.geteuid(), os.getegid()
        kernel.unshare(kernel.NEW_USER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if not spec.network:
        kernel.unshare(kernel.NEW_NETWORK)
        kernel.raise_loopback()


def enter(spec: ProcessSpec, member: Member) -> None:
    """Put the calling process, first of its process namespace, into the member's view.

    Raises OSError naming the step that the kernel refused; nothing has run then.
    """
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC)
    kernel.make_mounts_private()
    kernel.set_hostname(member.name)
    view = _View(spec, member)
    view.build()
    kernel.keep_capabilities(_KEPT_CAPABILITIES)
    kernel.forbid_new_privileges()


class _View:
    """The mounts of one member. Sources are opened first, since later mounts cover their paths."""

    def __init__(self, spec: ProcessSpec, member: Member) -> None:
        self.spec = spec
        self.member = member
        self.layout = Layout.of(spec.directory, member.name)
        self.private: list[str] = []
        self.writable: list[str] = []

    def build(self) -> None:
        with contextlib.ExitStack() as stack:
            mounts = [_Source(stack, mount) for mount in platform_mounts(self.spec, self.member)]
            for index, mount in enumerate(self.member.mounts):
                mounts.append(_Source(stack, mount, self.layout.overlays / str(index)))
            devices = list(_open_devices(stack))
            temporary = stack.enter_context(_opened(str(self.layout.temporary)))
            for path in masked_paths(self.spec):
                self._mask(path)
            self._mount_devices(devices)
            for path in TEMPORARY:
                if Path(path).is_dir():
                    self._bind(temporary, path, Access.READ_WRITE)
            for source in mounts:
                self._mount(source)
        kernel.mount("proc", "/proc", "proc", kernel.MOUNT_NO_SETUID)
        kernel.set_read_only("/", True, recursive=True)
        for path in self.writable:
            kernel.set_read_only(path, False)

    def _mask(self, path: str) -> None:
        if Path(path).is_dir():
            kernel.mount("tmpfs", path, "tmpfs", kernel.MOUNT_NO_SETUID, "mode=0755,size=1m")
            self.private.append(path)
        else:
            kernel.mount("/dev/null", path, None, kernel.MOUNT_BIND)

    def _mount_devices(self, devices: list[tuple[str, int]]) -> None:
        kernel.mount("tmpfs", "/dev", "tmpfs", kernel.MOUNT_NO_SETUID, "mode=0755,size=1m")
        self.private.append("/dev")
        for name, descriptor in devices:
            self._bind(descriptor, f"/dev/{name}", Access.READ_ONLY)
        for name, target in _DEVICE_LINKS.items():
            Path("/dev", name).symlink_to(target)
        Path("/dev/pts").mkdir()
        kernel.mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620")
        Path("/dev/shm").mkdir()  # noqa: S108 - private
        flags = kernel.MOUNT_NO_SETUID | kernel.MOUNT_NO_DEVICES
        kernel.mount("tmpfs", "/dev/shm", "tmpfs", flags, "mode=1777")  # noqa: S108 - private
        self.writable.append("/dev/shm")  # noqa: S108 - private

    def _mount(self, source: _Source) -> None:
        mount = source.mount
        if mount.access is Access.COPY_ON_WRITE and self.spec.overlay and source.is_directory:
            self._overlay(source)
        else:
            self._bind(source.descriptor, mount.inside, mount.access)

    def _bind(self, descriptor: int, inside: str, access: Access) -> None:
        self._make_mount_point(inside, stat.S_ISDIR(os.fstat(descriptor).st_mode))
        flags = kernel.MOUNT_BIND | kernel.MOUNT_RECURSIVE
        kernel.mount(f"/proc/self/fd/{descriptor}", inside, None, flags)
        if access is Access.READ_WRITE:
            self.private.append(inside)
            self.writable.append(inside)

    def _overlay(self, source: _Source) -> None:
        self._make_mount_point(source.mount.inside, True)
        # By descriptor: the paths may be covered by now, and may hold colons and commas.
        layers = (
            ("lowerdir", source.descriptor),
            ("upperdir", source.upper),
            ("workdir", source.work),
        )
        options = ",".join(f"{name}=/proc/self/fd/{descriptor}" for name, descriptor in layers)
        if self.spec.isolation == USER_NAMESPACES:
            options += ",userxattr"
        kernel.mount("overlay", source.mount.inside, "overlay", 0, options)
        self.private.append(source.mount.inside)
        self.writable.append(source.mount.inside)

    def _make_mount_point(self, inside: str, is_directory: bool) -> None:
        if Path(inside).exists():
            return
        ancestor = Path(inside).parent
        while not ancestor.exists():
            ancestor = ancestor.parent
        if not any(beneath(str(ancestor), root) for root in self.private):
            self._cover(str(ancestor))
        parent = Path(inside) if is_directory else Path(inside).parent
        parent.mkdir(parents=True, exist_ok=True)
        if not is_directory:
            Path(inside).touch()

    def _cover(self, directory: str) -> None:
        """Lay a tmpfs over `directory` and bind its entries back, so that names can be added."""
        if directory == "/":
            raise OSError("a mount point directly under / that does not exist cannot be made")
        with contextlib.ExitStack() as stack:
            entries = [
                (entry.name, stack.enter_context(_opened(entry.path)))
                for entry in os.scandir(directory)
            ]
            links = {name: os.readlink("", dir_fd=fd) for name, fd in entries if _is_link(fd)}
            kernel.mount("tmpfs", directory, "tmpfs", kernel.MOUNT_NO_SETUID, "mode=0755,size=1m")
            self.private.append(directory)
            for name, descriptor in entries:
                if name in links:
                    Path(directory, name).symlink_to(links[name])
                else:
                    self._bind(descriptor, f"{directory}/{name}", Access.READ_ONLY)


class _Source:
    """A mount whose host side is held open; `layers` is where an overlay keeps what changes."""

    def __init__(
        self, stack: contextlib.ExitStack, mount: Mount, layers: Path | None = None
    ) -> None:
        self.mount = mount
        self.descriptor = stack.enter_context(_opened(os.path.realpath(mount.host)))
        self.is_directory = stat.S_ISDIR(os.fstat(self.descriptor).st_mode)
        if layers is not None:
            self.upper = stack.enter_context(_opened(str(layers / "upper")))
            self.work = stack.enter_context(_opened(str(layers / "work")))


def platform_mounts(spec: ProcessSpec, member: Member) -> Iterator[Mount]:
    """Yield what every member needs beside its own mounts, all read-only."""
    covered = [*masked_paths(spec), *TEMPORARY, "/dev"]
    for path in _runtime_paths(spec):
        if any(beneath(path, cover) for cover in covered) and Path(path).exists():
            yield Mount(path, path)
    name_resolution = os.path.realpath("/etc/resolv.conf")
    if any(beneath(name_resolution, cover) for cover in covered):
        yield Mount(name_resolution, name_resolution)
    if Path("/etc/hosts").exists():
        hosts = Layout.of(spec.directory, member.name).hosts
        yield Mount(str(hosts), os.path.realpath("/etc/hosts"))


def masked_paths(spec: ProcessSpec) -> list[str]:
    """Return the files and directories that look empty inside."""
    # Sockets of the machine's services (container daemons, buses) live in /run.
    paths = ["/run", *spec.hidden]
    paths += [str(Path.home() / name) for name in _SECRETS_IN_HOME]
    existing = (os.path.realpath(path) for path in paths if Path(path).exists())
    return sorted(set(existing))


def _open_devices(stack: contextlib.ExitStack) -> Iterator[tuple[str, int]]:
    graphics = [path.name for path in Path("/dev").glob("nvidia*")]
    for name in (*_DEVICES, *graphics):
        if Path("/dev", name).exists():
            yield name, stack.enter_context(_opened(f"/dev/{name}"))


def _runtime_paths(spec: ProcessSpec) -> Iterable[str]:
    """Return what Python needs, in case it lies under a covered path."""
    package = Path(__file__).resolve().parents[1]
    paths = {sys.prefix, sys.base_prefix, str(package), spec.python_path}
    if spec.interpreter:
        paths.add(str(Path(spec.interpreter).parent.parent))
        paths.add(str(Path(os.path.realpath(spec.interpreter)).parent.parent))
    return sorted(path for path in paths if path)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_link(descriptor: int) -> bool:
    return stat.S_ISLNK(os.fstat(descriptor).st_mode)


def beneath(path: str, root: str) -> bool:
    """Return whether `path` is `root` or lies under it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
