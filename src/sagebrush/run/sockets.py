"""Unix sockets at paths longer than the kernel takes (about 100 bytes), as data directories are."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LONGEST_BYTES = 100


@contextlib.contextmanager
def short_path(path: str) -> Iterator[str]:
    """Yield a path of at most 100 bytes that names the same file while the context is open.

    Linux only; elsewhere long paths come back as they are, and the kernel refuses them.
    """
    if len(os.fsencode(path)) <= _LONGEST_BYTES or not hasattr(os, "O_PATH"):
        yield path
        return
    directory = os.open(Path(path).parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{Path(path).name}"
    finally:
        os.close(directory)


async def connect(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return streams to the server listening at `path`. Raises OSError."""
    with short_path(path) as short:
        return await asyncio.open_unix_connection(short)
