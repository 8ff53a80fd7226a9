"""Multipart uploads: rows of uploads and parts, and turning parts into one object.

Parts of one upload share a file: the first part's size is taken for the size of all, and part n is
written at (n - 1) times it. Parts that do not fit that plan, and parts sent again, get files of
their own. A completion whose parts lie one after another in one file copies nothing; any other
is put together by the kernel.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from sagebrush.engines.objects.entries import BucketRecord, PartEntry, UploadEntry
from sagebrush.engines.objects.errors import UploadNotFound
from sagebrush.store.database import Database, Row

_UPLOAD_COLUMNS = "upload_id, key, initiated, attributes, annotations, slot_file, slot_size"


class Uploads:
    """Uploads under way. Methods join the caller's transaction or are one of their own."""

    def __init__(
        self,
        db: Database,
        allocate: Callable[[], str],
        release: Callable[[str], None],
    ) -> None:
        self._db = db
        self._allocate = allocate
        self._release = release
        # Places of a shared file that a running request writes to, or once did.
        self._claimed: set[tuple[str, int]] = set()

    def create(
        self,
        bucket: BucketRecord,
        key: str,
        attributes: dict[str, Any],
        *,
        now: float,
        annotations: dict[str, Any] | None = None,
    ) -> UploadEntry:
        """Begin an upload."""
        upload_id = secrets.token_urlsafe(48)
        self._db.execute(
            "INSERT INTO objects_uploads (upload_id, bucket, key, initiated, attributes,"
            " annotations) VALUES (?, ?, ?, ?, ?, ?)",
            (
                upload_id,
                bucket.id,
                key,
                now,
                orjson.dumps(attributes),
                orjson.dumps(annotations) if annotations else None,
            ),
        )
        return self.get(bucket, key, upload_id)

    def get(self, bucket: BucketRecord, key: str, upload_id: str) -> UploadEntry:
        """Return the upload.

        Raises:
            UploadNotFound: there is none of this id for this key.
        """
        row = self._db.one(
            f"SELECT {_UPLOAD_COLUMNS} FROM objects_uploads"
            " WHERE upload_id = ? AND bucket = ? AND key = ?",
            (upload_id, bucket.id, key),
        )
        if row is None:
            raise UploadNotFound(upload_id)
        return _upload(bucket.name, row)

    def list(
        self, bucket: BucketRecord, *, prefix: str = "", key_marker: str = "", id_marker: str = ""
    ) -> list[UploadEntry]:
        """Return uploads after the markers in the order of key, then of beginning."""
        rows = self._db.all(
            f"SELECT {_UPLOAD_COLUMNS} FROM objects_uploads WHERE bucket = ?"
            " AND substr(key, 1, length(?)) = ? AND key >= ? ORDER BY key, initiated, upload_id",
            (bucket.id, prefix, prefix, key_marker),
        )
        entries = [_upload(bucket.name, row) for row in rows]
        if not key_marker:
            return entries
        same = [entry.upload_id for entry in entries if entry.key == key_marker]
        passed = same.index(id_marker) + 1 if id_marker in same else len(same)
        return entries[passed:]

    def claim_slot(
        self, upload: UploadEntry, number: int, size: int | None
    ) -> tuple[str, int] | None:
        """Return (file, offset) that part `number` may be written to, or None: its own file."""
        if size is None or size == 0 or (upload.upload_id, number) in self._claimed:
            return None
        with self._db.atomically():
            row = self._db.one(
                "SELECT slot_file, slot_size FROM objects_uploads WHERE upload_id = ?",
                (upload.upload_id,),
            )
            if row is None:
                raise UploadNotFound(upload.upload_id)
            if self._part(upload.upload_id, number) is not None:
                return None
            file, slot_size = row["slot_file"], row["slot_size"]
            if file is None:
                file, slot_size = self._allocate(), size
                self._db.execute(
                    "UPDATE objects_uploads SET slot_file = ?, slot_size = ? WHERE upload_id = ?",
                    (file, slot_size, upload.upload_id),
                )
        if size > slot_size:
            return None
        self._claimed.add((upload.upload_id, number))
        return file, (number - 1) * slot_size

    def put_part(self, upload: UploadEntry, part: PartEntry) -> None:
        """Record a part whose bytes are written; a part of the same number gives way.

        Raises:
            UploadNotFound: the upload was completed or aborted meanwhile.
        """
        with self._db.atomically():
            alive = "SELECT 1 FROM objects_uploads WHERE upload_id = ?"
            if self._db.one(alive, (upload.upload_id,)) is None:
                raise UploadNotFound(upload.upload_id)
            replaced = self._part(upload.upload_id, part.number)
            self._db.execute(
                "INSERT OR REPLACE INTO objects_parts (upload_id, number, size, etag, modified,"
                " file, file_offset, checksums) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (upload.upload_id, *part[:-1], orjson.dumps(part.checksums)),
            )
            if replaced is not None:
                self._release(replaced.file)

    def parts(self, upload_id: str) -> Sequence[PartEntry]:
        """Return the parts in the order of their numbers."""
        rows = self._db.all(
            "SELECT number, size, etag, modified, file, file_offset, checksums"
            " FROM objects_parts WHERE upload_id = ? ORDER BY number",
            (upload_id,),
        )
        return [_part_entry(row) for row in rows]

    def remove(self, upload: UploadEntry) -> None:
        """Forget an upload and its parts (aborted, or become an object)."""
        with self._db.atomically():
            files = {part.file for part in self.parts(upload.upload_id)}
            row = self._db.one(
                "SELECT slot_file FROM objects_uploads WHERE upload_id = ?", (upload.upload_id,)
            )
            if row is None:
                raise UploadNotFound(upload.upload_id)
            if row["slot_file"] is not None:
                files.add(row["slot_file"])
            self._db.execute("DELETE FROM objects_uploads WHERE upload_id = ?", (upload.upload_id,))
        for file in files:
            self._release(file)
        self._claimed = {claim for claim in self._claimed if claim[0] != upload.upload_id}

    def _part(self, upload_id: str, number: int) -> PartEntry | None:
        row = self._db.one(
            "SELECT number, size, etag, modified, file, file_offset, checksums"
            " FROM objects_parts WHERE upload_id = ? AND number = ?",
            (upload_id, number),
        )
        return None if row is None else _part_entry(row)


def contiguous(parts: Sequence[PartEntry]) -> bool:
    """Whether the parts lie one after another in one file."""
    end = parts[0].file_offset
    for part in parts:
        if part.file != parts[0].file or part.file_offset != end:
            return False
        end += part.size
    return True


def _part_entry(row: Row) -> PartEntry:
    return PartEntry(
        row["number"],
        row["size"],
        row["etag"],
        row["modified"],
        row["file"],
        row["file_offset"],
        orjson.loads(row["checksums"]),
    )


def _upload(bucket: str, row: Row) -> UploadEntry:
    annotations = row["annotations"]
    return UploadEntry(
        upload_id=row["upload_id"],
        bucket=bucket,
        key=row["key"],
        initiated=row["initiated"],
        attributes=orjson.loads(row["attributes"]),
        annotations=None if annotations is None else orjson.loads(annotations),
        slot_file=row["slot_file"],
        slot_size=row["slot_size"],
    )
