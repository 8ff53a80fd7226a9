"""Where object bytes lie on disk, and how files that nothing refers to go away.

A file gets its name before it is written and is reachable only through a row committed after its
last byte, so what a reader can reach is always whole. Names are `<generation>/<group>/<number>`:
the generation is this start of the store, so that leftovers of earlier starts can be told from
files that are just being written. Several rows may refer to one file (copies share bytes); it is
removed once no row does.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

_FILES_PER_FOLDER = 4096
_COPY_BYTES = 1 << 30
# The file system or the kernel cannot; plain reading and writing remains.
_NO_KERNEL_COPY = (errno.EXDEV, errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_REFERENCED = (
    "SELECT 1 FROM objects_versions WHERE file = :file"
    " UNION ALL SELECT 1 FROM objects_parts WHERE file = :file"
    " UNION ALL SELECT 1 FROM objects_uploads WHERE slot_file = :file LIMIT 1"
)


class Queries(Protocol):
    """A database, or a reading connection to it."""

    def execute(self, sql: str, parameters: dict[str, Any], /) -> Any:
        """Run one statement."""


class FileSpace:
    """The folder of object files."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self.durable = durable
        self.generation = f"{int(time.time() * 1000):011x}{secrets.token_hex(2)}"
        self._next_number = 0
        self._group = ""
        self._pins: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return where the file `name` lies."""
        return self.folder / name

    def allocate(self) -> str:
        """Return the name of a new file; its folder exists. Called on the event-loop thread."""
        number = self._next_number
        self._next_number += 1
        group = f"{self.generation}/{number // _FILES_PER_FOLDER:x}"
        if group != self._group:
            self.path(group).mkdir(parents=True, exist_ok=True)
            self._group = group
            if self.durable:
                for folder in (self.folder, self.folder / self.generation):
                    _sync_folder(folder)
        return f"{group}/{number:x}"

    def create(self, name: str) -> int:
        """Create the file `name` and return its descriptor, open for writing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # Read-only for everyone: jobs get hard links to it.
        return os.open(self.path(name), flags, 0o444)

    def open_slot_file(self, name: str) -> int:
        """Open, or create, a file that several parts are written into at their own offsets."""
        return os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def settle(self, descriptor: int, name: str) -> None:
        """Make the file's bytes and name survive loss of power, where the store is durable."""
        if self.durable:
            os.fdatasync(descriptor)
            _sync_folder(self.path(name).parent)

    def assemble(self, name: str, pieces: Iterable[tuple[str, int, int]]) -> None:
        """Write the file `name` from (file, offset, size) pieces, copied by the kernel.

        Blocks; runs on a worker thread. The half-written file is removed when it fails.
        """
        descriptor = self.create(name)
        try:
            for source, offset, size in pieces:
                with self.path(source).open("rb") as stream:
                    copy_range(stream.fileno(), descriptor, offset, size)
            self.settle(descriptor, name)
        except BaseException:
            self.remove(name)
            raise
        finally:
            os.close(descriptor)

    def copy_out(self, source: Path, offset: int, size: int, destination: Path) -> None:
        """Write a range of a stored file to the new file `destination`. Blocks."""
        with source.open("rb") as stored, destination.open("xb") as target:
            copy_range(stored.fileno(), target.fileno(), offset, size)

    def take(self, source: Path, name: str) -> None:
        """Move the finished file `source` in under `name` (a rename, else a copy). Blocks."""
        target = self.path(name)
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(source, target)
            source.unlink()
        target.chmod(0o444)
        if self.durable:
            descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self.settle(descriptor, name)
            finally:
                os.close(descriptor)

    @contextmanager
    def pinned(self, *names: str | None) -> Iterator[None]:
        """Keep files from being removed while bytes are read outside any transaction."""
        held = [name for name in names if name is not None]
        self._pins.update(held)
        try:
            yield
        finally:
            self._pins.subtract(held)
            for name in held:
                if self._pins[name] <= 0:
                    del self._pins[name]

    def is_pinned(self, name: str) -> bool:
        """Whether someone reads the file right now."""
        return name in self._pins

    def remove(self, name: str) -> None:
        """Remove a file that no row refers to."""
        self.path(name).unlink(missing_ok=True)

    def sweep(self, reader: Queries) -> int:
        """Remove files of earlier starts that no row refers to; return how many. Blocks.

        Runs on a worker thread beside the server: rows can only come to refer to a file of an
        earlier start by copying a row that does.
        """
        removed = 0
        for generation in sorted(self.folder.iterdir()):
            if generation.name == self.generation or not generation.is_dir():
                continue
            for group in sorted(generation.iterdir()):
                removed += self._sweep_group(reader, f"{generation.name}/{group.name}")
                if not any(group.iterdir()):
                    group.rmdir()
            if not any(generation.iterdir()):
                generation.rmdir()
        return removed

    def _sweep_group(self, reader: Queries, group: str) -> int:
        removed = 0
        for path in self.path(group).iterdir():
            name = f"{group}/{path.name}"
            if is_referenced(reader, name) or self.is_pinned(name):
                continue
            path.unlink(missing_ok=True)
            removed += 1
        return removed


def is_referenced(connection: Queries, name: str) -> bool:
    """Whether any row refers to the file `name`."""
    return connection.execute(_REFERENCED, {"file": name}).fetchone() is not None


def copy_range(source: int, target: int, offset: int, size: int) -> None:
    """Append `size` bytes of `source` from `offset` to `target` without passing through Python.

    Raises:
        EOFError: `source` ends early.
    """
    while size > 0:
        copied = _copy_some(source, target, offset, min(size, _COPY_BYTES))
        if copied == 0:
            raise EOFError("a stored file is shorter than its row says")
        offset += copied
        size -= copied


def _copy_some(source: int, target: int, offset: int, size: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, size, offset_src=offset)
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
    data = os.pread(source, min(size, 1 << 20), offset)
    return os.write(target, data) if data else 0


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
