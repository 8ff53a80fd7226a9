"""Streaming files into FIFOs, one pass after another, for as long as a reader asks.

A pass is FIFO `<name>_<n>`; it exists before pass n-1 ends, so a reader that opens it at once finds
it. A reader may close early: the next pass starts. Framing is RecordIO as MXNet defines it: magic
number, 3 bits of continuation and 29 of length, bytes, padding to four.
"""

from __future__ import annotations

import array
import contextlib
import gzip
import json
import os
import random
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from sagebrush.base.errors import SagebrushError
from sagebrush.run.spec import Feeder

_CHUNK_BYTES = 1 << 20
_MAGIC = 0xCED7230A
_LONGEST_PART_BYTES = ((1 << 29) - 1) & ~3
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_SPOOL_BYTES = 32 << 20


class FeedError(SagebrushError):
    """A source cannot be read; the message names it."""


def feed(plan: Feeder) -> None:
    """Serve passes for ever. Raises FeedError when a source is missing or broken."""
    number = 0
    _make(plan.fifo, number)
    while True:
        path = f"{plan.fifo}_{number}"
        with contextlib.suppress(BrokenPipeError), Path(path).open("wb", buffering=0) as pipe:
            number += 1
            _make(plan.fifo, number)
            _one_pass(plan, number - 1, cast("BinaryIO", pipe))
        Path(path).unlink(missing_ok=True)


def _make(name: str, number: int) -> None:
    path = f"{name}_{number}"
    Path(path).unlink(missing_ok=True)
    os.mkfifo(path)
    # Whoever the job runs as may read it; the directory is the job's own.
    Path(path).chmod(0o666)


def _one_pass(plan: Feeder, number: int, pipe: BinaryIO) -> None:
    if plan.records is not None:
        _send_records(plan, plan.records, number, pipe)
        return
    sources = list(plan.sources)
    if plan.shuffle_seed is not None:
        _order(plan, number).shuffle(sources)
    for source in sources:
        _send_file(plan, source, pipe)


def _order(plan: Feeder, number: int) -> random.Random:
    return random.Random(f"{plan.shuffle_seed}/{number}")  # noqa: S311 - an order, no secret


def _send_file(plan: Feeder, path: str, pipe: BinaryIO) -> None:
    with _opened(plan, path) as (source, size_bytes):
        if plan.wrap:
            _send_wrapped(source, size_bytes, path, pipe)
        else:
            _copy(source, None, path, pipe)


@contextlib.contextmanager
def _opened(plan: Feeder, path: str) -> Iterator[tuple[BinaryIO, int]]:
    """Yield the plain bytes of a source and, if it is to be wrapped, their number."""
    try:
        with Path(path).open("rb") as raw:
            if not plan.gzip:
                yield raw, os.fstat(raw.fileno()).st_size
            elif not plan.wrap:
                yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)), 0
            else:
                with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as plain:
                    shutil.copyfileobj(gzip.GzipFile(fileobj=raw), plain, _CHUNK_BYTES)
                    size_bytes = plain.tell()
                    plain.seek(0)
                    yield cast("BinaryIO", plain), size_bytes
    except BrokenPipeError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise FeedError(f"{path}: {error}") from error


def _copy(source: BinaryIO, size_bytes: int | None, path: str, pipe: BinaryIO) -> None:
    left = size_bytes
    while left is None or left > 0:
        chunk = source.read(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left))
        if not chunk:
            if left is not None:
                raise FeedError(f"{path}: shorter than it was when opened")
            return
        if left is not None:
            left -= len(chunk)
        _write(chunk, pipe)


def _write(chunk: bytes, pipe: BinaryIO) -> None:
    view = memoryview(chunk)
    while view:
        view = view[pipe.write(view) :]


def _send_wrapped(source: BinaryIO, size_bytes: int, path: str, pipe: BinaryIO) -> None:
    left, first = size_bytes, True
    while True:
        length = min(left, _LONGEST_PART_BYTES)
        left -= length
        starting, continuing = (_WHOLE, _FIRST), (_LAST, _MIDDLE)
        flag = (starting if first else continuing)[left > 0]
        _write(struct.pack("<II", _MAGIC, flag << 29 | length), pipe)
        _copy(source, length, path, pipe)
        _write(b"\0" * (-length % 4), pipe)
        first = False
        if not left:
            return


def _send_records(plan: Feeder, path: str, number: int, pipe: BinaryIO) -> None:
    try:
        with Path(path).open("rb") as lines:
            if plan.shuffle_seed is None:
                for line in lines:
                    _send_parts(plan, line, pipe)
                return
            offsets = _line_offsets(lines)
            _order(plan, number).shuffle(offsets)
            for offset in offsets:
                lines.seek(offset)
                _send_parts(plan, lines.readline(), pipe)
    except BrokenPipeError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise FeedError(f"{path}: {error}") from error


def _line_offsets(lines: BinaryIO) -> array.array[int]:
    offsets = array.array("Q")
    offset = 0
    for line in lines:
        offsets.append(offset)
        offset += len(line)
    return offsets


def _send_parts(plan: Feeder, line: bytes, pipe: BinaryIO) -> None:
    for part in json.loads(line):
        if "path" in part:
            _send_file(plan, part["path"], pipe)
            continue
        text = part["text"].encode()
        if plan.wrap:
            text = struct.pack("<II", _MAGIC, len(text)) + text + b"\0" * (-len(text) % 4)
        _write(text, pipe)
