"""Following a growing log file: complete lines from a byte offset that the caller persists.

The offset of a batch is behind its last line, so a reader that stored lines and offset together
neither loses nor repeats a line, whatever dies in between. Lines come as the AWS log agent sends
them: undecodable bytes replaced, control characters as `#` and three octal digits (`#011` a tab).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST_LINE_BYTES = 256 << 10
_BATCH_BYTES = 1 << 20
_SHORTEST_POLL_S = 0.02
_LONGEST_POLL_S = 0.5
_ESCAPES = {code: f"#{code:03o}" for code in range(0x20) if code != 0x0A}


@dataclass(frozen=True)
class Batch:
    """Lines without their ends, and the offset in bytes behind the last one."""

    lines: tuple[str, ...]
    offset: int


def read_batch(path: Path, offset: int, *, ended: bool = False) -> Batch:
    """Return what follows `offset`, at most about 1 MiB; no lines when there is nothing complete.

    With `ended`, a last line without an end counts as complete. A line longer than 256 KiB comes
    in pieces. A file that does not exist yet is empty.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_BATCH_BYTES)
    except FileNotFoundError:
        return Batch((), offset)
    complete = data.rfind(b"\n") + 1
    if complete == 0 and len(data) >= LONGEST_LINE_BYTES:
        complete = _whole_characters(data, LONGEST_LINE_BYTES)
    elif ended and len(data) < _BATCH_BYTES:
        complete = len(data)
    return Batch(tuple(_lines(data[:complete])), offset + complete)


def _lines(data: bytes) -> list[str]:
    if not data:
        return []
    lines = []
    for line in data.removesuffix(b"\n").split(b"\n"):
        rest = line.removesuffix(b"\r")
        while len(rest) > LONGEST_LINE_BYTES:
            cut = _whole_characters(rest, LONGEST_LINE_BYTES)
            lines.append(printable(rest[:cut]))
            rest = rest[cut:]
        lines.append(printable(rest))
    return lines


def _whole_characters(data: bytes, limit: int) -> int:
    """Return the largest cut of at most `limit` that splits no UTF-8 character."""
    cut = limit
    while cut > limit - 4 and cut < len(data) and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def printable(line: bytes) -> str:
    """Return a line's text with control characters as `#ooo` and broken bytes as U+FFFD."""
    return line.decode(errors="replace").translate(_ESCAPES)


async def follow(path: Path, offset: int, ended: Callable[[], bool]) -> AsyncIterator[Batch]:
    """Yield batches as the file grows; finish once `ended` is true and everything was read."""
    pause_s = _SHORTEST_POLL_S
    while True:
        # Asked before reading: what was written until then is read for sure.
        last = ended()
        batch = read_batch(path, offset, ended=last)
        if batch.offset > offset:
            offset, pause_s = batch.offset, _SHORTEST_POLL_S
            yield batch
        elif last:
            return
        else:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)
