"""The object store: what services call.

Synchronous methods run on the event-loop thread and are short; they join the transaction that is
open, or are one of their own. Bytes are received, digested, copied and removed on worker threads.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from sagebrush.base.clock import Clock
from sagebrush.base.streams import FileRange
from sagebrush.engines.objects.buckets import Buckets
from sagebrush.engines.objects.entries import (
    Blob,
    BucketRecord,
    ListedPrefix,
    ObjectEntry,
    PartEntry,
)
from sagebrush.engines.objects.errors import BucketNotFound, ObjectNotFound
from sagebrush.engines.objects.files import FileSpace, is_referenced
from sagebrush.engines.objects.listing import Listing
from sagebrush.engines.objects.provided import ProvidedBuckets
from sagebrush.engines.objects.receiving import Receiver
from sagebrush.engines.objects.uploads import Uploads, contiguous
from sagebrush.engines.objects.versions import Versions
from sagebrush.store.database import Database

# A response that was just begun opens its file within this time.
_REMOVAL_DELAY_S = 2.0
_LIST_PAGE = 1000
# Another file system, links not allowed, or too many of them: the bytes are copied.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)


class ObjectStore:
    """Buckets and versioned objects in one SQLite index and a folder of files."""

    def __init__(self, db: Database, folder: Path, clock: Clock, durable: bool = False) -> None:
        db.migrate("engines.objects", Path(__file__).parent / "migrations")
        self._db = db
        self._clock = clock
        self.files = FileSpace(folder, durable=durable)
        self.receiver = Receiver(self.files)
        self.versions = Versions(db, self.files.path, self.release)
        self.provided = ProvidedBuckets(self.versions, clock)
        self.buckets = Buckets(db, self.release, self.provided)
        self.uploads = Uploads(db, self.files.allocate, self.release)
        self.listing = Listing(db, self.versions)
        self._released: set[str] = set()
        self._removal: asyncio.TimerHandle | None = None

    def bucket(self, name: str) -> BucketRecord | None:
        """Return the bucket, or None."""
        return self.buckets.find(name)

    def get(self, bucket: str, key: str, version_id: str | None = None) -> ObjectEntry:
        """Return the current object, or the named version.

        Raises:
            BucketNotFound: there is no such bucket.
            ObjectNotFound: there is no such version, or it is a delete marker.
        """
        entry = self.versions.find(self.buckets.get(bucket), key, version_id)
        if entry.delete_marker:
            raise ObjectNotFound(bucket, key, version_id)
        return entry

    def list(
        self, bucket: str, prefix: str = "", *, start_after: str = ""
    ) -> Iterator[ObjectEntry]:
        """Yield current objects whose key starts with `prefix`, in key order.

        Reads a page at a time, so objects may be written and removed between two steps.

        Raises:
            BucketNotFound: there is no such bucket.
        """
        record = self.buckets.get(bucket)
        while True:
            page: list[ObjectEntry] = []
            for item in self.listing.current(record, prefix, start_after=start_after):
                assert not isinstance(item, ListedPrefix)  # no delimiter, no common prefixes
                page.append(item)
                if len(page) == _LIST_PAGE:
                    break
            yield from page
            if len(page) < _LIST_PAGE:
                return
            start_after = page[-1].key

    def body(
        self, entry: ObjectEntry, offset: int = 0, length: int | None = None
    ) -> bytes | FileRange:
        """Return the bytes of `entry` from `offset`, or where they lie."""
        wanted = entry.size - offset if length is None else length
        if entry.path is None:
            return self.versions.content(entry)[offset : offset + wanted]
        return FileRange(entry.path, entry.file_offset + offset, wanted)

    def read(self, entry: ObjectEntry, limit_bytes: int | None = None) -> bytes:
        """Return the bytes of a small object. Blocks: for manifests, not for data.

        Raises:
            ObjectNotFound: it was removed meanwhile.
        """
        wanted = entry.size if limit_bytes is None else min(limit_bytes, entry.size)
        if entry.path is None:
            return self.versions.content(entry)[:wanted]
        try:
            with entry.path.open("rb") as stream:
                stream.seek(entry.file_offset)
                return stream.read(wanted)
        except FileNotFoundError:
            raise ObjectNotFound(entry.bucket, entry.key, entry.version_id) from None

    def link(self, entry: ObjectEntry, destination: Path) -> None:
        """Make the bytes of `entry` a file at `destination`; they survive the object's removal.

        A hard link where that is possible: never write into the file, it is the object. The
        folder must exist; an existing file is an error (FileExistsError).

        Raises:
            ObjectNotFound: it was removed meanwhile.
        """
        if entry.path is None:
            with destination.open("xb") as stream:
                stream.write(self.versions.content(entry))
            return
        try:
            whole = entry.file_offset == 0 and entry.path.stat().st_size == entry.size
            if whole and _hard_linked(entry.path, destination):
                return
            self.files.copy_out(entry.path, entry.file_offset, entry.size, destination)
        except FileNotFoundError:
            if destination.parent.is_dir():
                raise ObjectNotFound(entry.bucket, entry.key, entry.version_id) from None
            raise

    async def ingest(
        self,
        account: str,
        region: str,
        bucket: str,
        key: str,
        source: Path,
        *,
        content_type: str | None = None,
        metadata: dict[str, str] | None = None,
        owner: str | None = None,
    ) -> ObjectEntry:
        """Take the finished file `source` into the store as an object; `source` is gone after.

        `account` and `region` say on whose behalf; `owner` is `account` unless given.

        Raises:
            BucketNotFound: there is no such bucket.
        """
        del region  # objects live where their bucket lives
        self.buckets.get(bucket)
        name = self.files.allocate()
        size = source.stat().st_size
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.files.take, source, name)
        md5, _ = await self.receiver.digest_range(self.files.path(name), 0, size)
        blob = Blob(size=size, md5=md5, file=name)
        return self._put(blob, bucket, key, content_type, metadata, owner or account)

    async def put_bytes(
        self,
        account: str,
        region: str,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: dict[str, str] | None = None,
        owner: str | None = None,
    ) -> ObjectEntry:
        """Write `data` as an object.

        Raises:
            BucketNotFound: there is no such bucket.
        """
        del region
        self.buckets.get(bucket)
        blob = await self.receiver.receive(BytesStream(data))
        return self._put(blob, bucket, key, content_type, metadata, owner or account)

    def _put(
        self,
        blob: Blob,
        bucket: str,
        key: str,
        content_type: str | None,
        metadata: dict[str, str] | None,
        owner: str,
    ) -> ObjectEntry:
        attributes: dict[str, Any] = {
            "ContentType": content_type or "binary/octet-stream",
            "Owner": owner,
        }
        if metadata:
            attributes["Metadata"] = metadata
        record = self.buckets.find(bucket)
        if record is None:  # deleted while the bytes came in
            self.discard(blob)
            raise BucketNotFound(bucket)
        return self.versions.put(record, key, blob, attributes, now=self._clock.now())

    async def assemble(self, parts: Sequence[PartEntry]) -> Blob:
        """Return the bytes of `parts`, in this order, as one blob; its `md5` is left empty.

        The caller records the object and removes the upload in one transaction.

        Raises:
            FileNotFoundError: the upload was aborted meanwhile.
        """
        size = sum(part.size for part in parts)
        if contiguous(parts):
            return Blob(size, "", file=parts[0].file, file_offset=parts[0].file_offset)
        name = self.files.allocate()
        pieces = [(part.file, part.file_offset, part.size) for part in parts]
        loop = asyncio.get_running_loop()
        with self.files.pinned(*(part.file for part in parts)):
            await loop.run_in_executor(None, self.files.assemble, name, pieces)
        return Blob(size, "", file=name)

    def discard(self, blob: Blob) -> None:
        """Give up a blob that no row took."""
        if blob.file is not None:
            self.release(blob.file)

    def release(self, file: str) -> None:
        """Remove `file` soon, if then no row refers to it (a roll-back keeps its row)."""
        self._released.add(file)
        if self._removal is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # outside a server: `remove_released` is called by hand, or the next sweep
            self._removal = loop.call_later(_REMOVAL_DELAY_S, self._remove_soon)

    def _remove_soon(self) -> None:
        self._removal = None
        unreferenced = self._take_unreferenced()
        if unreferenced:
            asyncio.get_running_loop().run_in_executor(None, self._remove_files, unreferenced)
        if self._released:  # pinned ones
            self.release(next(iter(self._released)))

    def remove_released(self) -> int:
        """Remove released files that no row refers to now; return how many."""
        unreferenced = self._take_unreferenced()
        self._remove_files(unreferenced)
        return len(unreferenced)

    def _take_unreferenced(self) -> Sequence[str]:
        candidates = [name for name in self._released if not self.files.is_pinned(name)]
        self._released.difference_update(candidates)
        return [name for name in candidates if not is_referenced(self._db, name)]

    def _remove_files(self, names: Sequence[str]) -> None:
        for name in names:
            self.files.remove(name)

    async def sweep(self) -> int:
        """Remove what earlier starts left behind unreferenced; return how many files."""
        return await asyncio.get_running_loop().run_in_executor(None, self._sweep)

    def _sweep(self) -> int:
        with self._db.reader() as connection:
            return self.files.sweep(connection)

    def close(self) -> None:
        """Stop the threads and the timer."""
        if self._removal is not None:
            self._removal.cancel()
            self._removal = None
        self.receiver.close()


class BytesStream:
    """Bytes in memory as a body."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self.trailers: dict[str, str] = {}
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


def _hard_linked(source: Path, destination: Path) -> bool:
    try:
        destination.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True
