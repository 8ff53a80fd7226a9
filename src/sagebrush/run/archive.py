"""Packing what a job left behind, without trusting it.

Runs outside the sandbox, so a job could plant a link in place of a directory to have the machine's
own files packed: no path is followed through a symbolic link. Links inside a tree are packed as
links. The same content gives the same bytes.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from sagebrush.run.spec import Archive

# Zip archives cannot hold earlier dates, and unpacked trees get zipped again (wheels).
_MODIFIED_AT = 315_532_800
_FOLLOW_NOTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def make(plan: Archive, job_directory: str) -> int | None:
    """Return the size of the archive made, in bytes; None when it was empty and is skipped.

    Raises OSError (a full disk); the destination then does not exist.
    """
    destination = Path(job_directory, plan.destination)
    partial = destination.with_name(destination.name + ".partial")
    try:
        count = _write(plan, job_directory, partial)
        if count == 0 and plan.skip_empty:
            return None
        partial.rename(destination)
    finally:
        partial.unlink(missing_ok=True)
    return destination.stat().st_size


def _write(plan: Archive, job_directory: str, partial: Path) -> int:
    count = 0
    with partial.open("wb") as raw:
        # No name and no time in the gzip header, so that equal content gives equal bytes.
        with (
            gzip.GzipFile("", "wb", plan.compression_level, cast("IO[bytes]", raw), 0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for root in plan.roots:
                count += _add_tree(archive, job_directory, root)
            for path in plan.files:
                count += _add_file(archive, job_directory, path)
        raw.flush()
        os.fsync(raw.fileno())
    return count


def open_beneath(base: str, relative: str, flags: int = 0) -> int | None:
    """Return a descriptor of `base/relative`, or None if it is missing or behind a link."""
    descriptor = os.open(base, os.O_RDONLY | os.O_CLOEXEC)
    for part in Path(relative).parts:
        try:
            following = os.open(part, _FOLLOW_NOTHING | flags, dir_fd=descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        descriptor = following
    return descriptor


def read_beneath(base: str, relative: str, most_bytes: int) -> bytes | None:
    """Return the first `most_bytes` of a plain file a job wrote; None if there is no such file."""
    descriptor = open_beneath(base, relative)
    if descriptor is None:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most_bytes)


def _add_tree(archive: tarfile.TarFile, base: str, root: str) -> int:
    descriptor = open_beneath(base, root)
    if descriptor is None or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        if descriptor is not None:
            os.close(descriptor)
        return 0
    try:
        return sum(_add_entries(archive, descriptor))
    finally:
        os.close(descriptor)


def _add_entries(archive: tarfile.TarFile, root: int) -> Iterator[int]:
    for path, directories, files, descriptor in os.fwalk(".", dir_fd=root, follow_symlinks=False):
        directories.sort()
        for name in sorted([*directories, *files]):
            relative = str(Path(path, name))
            yield _add_entry(archive, relative, name, descriptor)


def _add_entry(archive: tarfile.TarFile, relative: str, name: str, directory: int) -> int:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    entry = _described(relative, status)
    if stat.S_ISLNK(status.st_mode):
        entry.type = tarfile.SYMTYPE
        entry.linkname = os.readlink(name, dir_fd=directory)
        archive.addfile(entry)
    elif stat.S_ISDIR(status.st_mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif stat.S_ISREG(status.st_mode):
        _add_open_file(archive, entry, os.open(name, _FOLLOW_NOTHING, dir_fd=directory))
    else:
        return 0
    return 1


def _described(name: str, status: os.stat_result) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    # No set-user-id: who unpacks this did not ask for it.
    entry.mode = stat.S_IMODE(status.st_mode) & 0o777
    entry.mtime = _MODIFIED_AT
    return entry


def _add_file(archive: tarfile.TarFile, base: str, path: str) -> int:
    descriptor = open_beneath(base, path)
    if descriptor is None:
        return 0
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return 0
    _add_open_file(archive, _described(Path(path).name, status), descriptor)
    return 1


def _add_open_file(archive: tarfile.TarFile, entry: tarfile.TarInfo, descriptor: int) -> None:
    with os.fdopen(descriptor, "rb") as file:
        entry.size = os.fstat(descriptor).st_size
        archive.addfile(entry, file)
