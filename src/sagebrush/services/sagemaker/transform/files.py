"""One input file to its output: read, ask, several requests at once, write in order."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from sagebrush.services.sagemaker.transform.errors import bad_data, too_large
from sagebrush.services.sagemaker.transform.processing import JSON_LINES, Processing
from sagebrush.services.sagemaker.transform.splitting import Splitting, batches, groups_of_lines

# What is read at once where requests are small, so that threads change hands seldom.
_PAGE_BATCHES = 256
_PAGE_BYTES = 1 << 20
# Answers longer than this are joined on a worker thread, so that the server answers others.
_INLINE_BYTES = 32 << 10

Ask = Callable[[bytes], Awaitable[bytes]]


class Batch(NamedTuple):
    """What is sent, and the records it was made from where they are needed afterwards."""

    payload: bytes
    records: list[bytes] | None = None


@dataclass(frozen=True)
class FileTransform:
    """How the files of a job are transformed."""

    splitting: Splitting
    processing: Processing | None
    gzip: bool
    assembles_lines: bool
    concurrency: int

    async def run(self, source: Path, out: BinaryIO, ask: Ask, slots: asyncio.Semaphore) -> None:
        """Write the output of the file `source` to `out`; `slots` bounds requests under way.

        Raises:
            FileFailure: the file cannot be transformed; what `out` has is worthless.
        """
        pending: deque[asyncio.Task[bytes]] = deque()
        pages = self._pages(source)
        reading: asyncio.Task[list[Batch] | None] | None = None
        try:
            while True:
                reading = asyncio.create_task(asyncio.to_thread(next, pages, None))
                page = await asyncio.shield(reading)
                if page is None:
                    break
                for batch in page:
                    await slots.acquire()
                    task = asyncio.create_task(self._answered(batch, ask))
                    task.add_done_callback(lambda _: slots.release())
                    pending.append(task)
                    while pending and (pending[0].done() or len(pending) > self.concurrency):
                        await _write(out, await pending.popleft())
            while pending:
                await _write(out, await pending.popleft())
        finally:
            for task in pending:
                task.cancel()
            # A thread that reads cannot be called back; the file is closed once it has read.
            await asyncio.gather(*pending, *filter(None, [reading]), return_exceptions=True)
            pages.close()

    async def _answered(self, batch: Batch, ask: Ask) -> bytes:
        answer = await ask(batch.payload)
        if len(answer) + len(batch.payload) > _INLINE_BYTES and batch.records is not None:
            return await asyncio.to_thread(self._assembled, batch.records, answer)
        return self._assembled(batch.records, answer)

    def _assembled(self, records: list[bytes] | None, answer: bytes) -> bytes:
        if self.processing is None or records is None:
            ends = not self.assembles_lines or answer.endswith(b"\n")
            return answer if ends else answer + b"\n"
        found = self.processing.output(records, answer)
        by_lines = self.assembles_lines or len(found) > 1
        return b"\n".join(found) + (b"\n" if by_lines and found else b"")

    def _pages(self, source: Path) -> Generator[list[Batch]]:
        with source.open("rb") as plain:
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=plain)) if self.gzip else plain
            found = self._batches(stream)
            try:
                while page := list(_page(found)):
                    yield page
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise bad_data(f"The data cannot be decompressed: {error}") from None

    def _batches(self, stream: BinaryIO) -> Iterator[Batch]:
        if self.processing is None:
            yield from map(Batch, batches(stream, self.splitting))
            return
        for records in self._records(stream, self.processing):
            payload = self.processing.payload(records)
            if len(payload) > self.splitting.limit_bytes:
                raise too_large()
            yield Batch(payload, records)

    def _records(self, stream: BinaryIO, processing: Processing) -> Iterator[list[bytes]]:
        if self.splitting.split_type == "Line":
            yield from groups_of_lines(stream, self.splitting)
            return
        (whole,) = batches(stream, self.splitting)
        if processing.media_type != JSON_LINES:
            yield [whole]
        elif lines := [line for line in whole.split(b"\n") if line.strip()]:
            yield lines


def _page(found: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the next batches, up to a number and a size; nothing at the end."""
    size = 0
    for batch in itertools.islice(found, _PAGE_BATCHES):
        yield batch
        size += len(batch.payload)
        if size >= _PAGE_BYTES:
            return


async def _write(out: BinaryIO, data: bytes) -> None:
    if len(data) > _INLINE_BYTES:
        await asyncio.to_thread(out.write, data)
    else:
        out.write(data)
