"""Version rows: what a PUT, a copy and a DELETE do to a key."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from sagebrush.engines.objects.entries import Blob, BucketRecord, ObjectEntry
from sagebrush.engines.objects.errors import ObjectNotFound
from sagebrush.store.database import Database, Row

NULL_VERSION = "null"
COLUMNS = (
    "id, key, version_id, size, etag, modified, delete_marker, file, file_offset,"
    " attributes, annotations"
)


class Versions:
    """The history of every key. Methods join the caller's transaction or are one of their own.

    `locate` turns a file's name into its path; `release` is told of files that a row gave up.
    """

    def __init__(
        self,
        db: Database,
        locate: Callable[[str], Path],
        release: Callable[[str], None],
    ) -> None:
        self._db = db
        self._locate = locate
        self._release = release

    def find(self, bucket: BucketRecord, key: str, version_id: str | None = None) -> ObjectEntry:
        """Return the newest version of `key`, or the named one; it may be a delete marker.

        Raises:
            ObjectNotFound: there is none.
        """
        row = self._row(bucket, key, version_id)
        if row is None:
            raise ObjectNotFound(bucket.name, key, version_id)
        return self.entry(bucket.name, row)

    def newest(self, bucket: BucketRecord, key: str) -> ObjectEntry | None:
        """Return the newest version of `key`, possibly a delete marker, or None."""
        row = self._row(bucket, key, None)
        return None if row is None else self.entry(bucket.name, row)

    def put(
        self,
        bucket: BucketRecord,
        key: str,
        blob: Blob,
        attributes: dict[str, Any],
        *,
        now: float,
        annotations: dict[str, Any] | None = None,
        etag: str | None = None,
        parts: list[Any] | None = None,
    ) -> ObjectEntry:
        """Make `blob` the newest version of `key` and return it.

        Under versioning it is added, else it takes the place of the null version. `etag` is the
        blob's MD5 unless given; `parts` is kept for objects uploaded in parts.
        """
        with self._db.atomically():
            version_id = self._next_version_id(bucket, key)
            place = (blob.size, etag or blob.md5, now, blob.file, blob.file_offset)
            documents = (_encode(attributes), _encode(annotations) if annotations else None)
            entry = self._insert(bucket, key, version_id, place, documents)
            if blob.content is not None:
                self._db.execute(
                    "INSERT INTO objects_contents (id, content) VALUES (?, ?)",
                    (entry.id, blob.content),
                )
            if parts is not None:
                self._db.execute(
                    "INSERT INTO objects_version_parts (id, parts) VALUES (?, ?)",
                    (entry.id, orjson.dumps(parts)),
                )
            return entry

    def put_delete_marker(
        self, bucket: BucketRecord, key: str, attributes: dict[str, Any], *, now: float
    ) -> ObjectEntry:
        """Make a delete marker the newest version of `key` and return it."""
        with self._db.atomically():
            version_id = self._next_version_id(bucket, key)
            return self._insert(
                bucket,
                key,
                version_id,
                (0, "", now, None, 0),
                (_encode(attributes), None),
                delete_marker=True,
            )

    def remove(self, entry: ObjectEntry, bucket: BucketRecord) -> None:
        """Remove one version for good; the one before it becomes the newest."""
        with self._db.atomically():
            self._db.execute("DELETE FROM objects_versions WHERE id = ?", (entry.id,))
            if entry.file is not None:
                self._release(entry.file)
            row = self._row(bucket, entry.key, None)
            if row is not None and not row["delete_marker"]:
                self._db.execute(
                    "UPDATE objects_versions SET live = 1 WHERE id = ? AND live = 0", (row["id"],)
                )

    def annotate(self, entry: ObjectEntry, annotations: dict[str, Any]) -> None:
        """Replace what may change about a version (tags, grants, retention)."""
        self._db.execute(
            "UPDATE objects_versions SET annotations = ? WHERE id = ?",
            (_encode(annotations) if annotations else None, entry.id),
        )

    def parts(self, entry: ObjectEntry) -> list[Any] | None:
        """Return what was kept about the parts, or None for an object of one piece."""
        row = self._db.one("SELECT parts FROM objects_version_parts WHERE id = ?", (entry.id,))
        if row is None:
            return None
        decoded: list[Any] = orjson.loads(row["parts"])
        return decoded

    def content(self, entry: ObjectEntry) -> bytes:
        """Return the bytes of a version that is kept in the database.

        Raises:
            ObjectNotFound: it was removed meanwhile.
        """
        row = self._db.one("SELECT content FROM objects_contents WHERE id = ?", (entry.id,))
        if row is None:
            raise ObjectNotFound(entry.bucket, entry.key, entry.version_id)
        content: bytes = row["content"]
        return content

    def entry(self, bucket_name: str, row: Row) -> ObjectEntry:
        """Return a row with `COLUMNS` as an entry."""
        file = row["file"]
        return ObjectEntry(
            id=row["id"],
            bucket=bucket_name,
            key=row["key"],
            version_id=row["version_id"],
            size=row["size"],
            etag=row["etag"],
            last_modified=row["modified"],
            delete_marker=bool(row["delete_marker"]),
            path=None if file is None else self._locate(file),
            file=file,
            file_offset=row["file_offset"],
            attributes_json=row["attributes"],
            annotations_json=row["annotations"],
        )

    def _row(self, bucket: BucketRecord, key: str, version_id: str | None) -> Row | None:
        wanted = "" if version_id is None else " AND version_id = :version_id"
        return self._db.one(
            f"SELECT {COLUMNS} FROM objects_versions"
            f" WHERE bucket = :bucket AND key = :key{wanted} ORDER BY id DESC LIMIT 1",
            {"bucket": bucket.id, "key": key, "version_id": version_id},
        )

    def _next_version_id(self, bucket: BucketRecord, key: str) -> str:
        """Clear the place for a new newest version and return the id it gets."""
        if bucket.versioning != "Enabled":
            null = self._row(bucket, key, NULL_VERSION)
            if null is not None:
                self._db.execute("DELETE FROM objects_versions WHERE id = ?", (null["id"],))
                if null["file"] is not None:
                    self._release(null["file"])
        self._db.execute(
            "UPDATE objects_versions SET live = 0 WHERE bucket = ? AND key = ? AND live = 1",
            (bucket.id, key),
        )
        return secrets.token_urlsafe(24) if bucket.versioning == "Enabled" else NULL_VERSION

    def _insert(
        self,
        bucket: BucketRecord,
        key: str,
        version_id: str,
        place: tuple[int, str, float, str | None, int],
        documents: tuple[bytes, bytes | None],
        *,
        delete_marker: bool = False,
    ) -> ObjectEntry:
        cursor = self._db.execute(
            "INSERT INTO objects_versions (bucket, key, version_id, live, delete_marker, size,"
            " etag, modified, file, file_offset, attributes, annotations)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (bucket.id, key, version_id, not delete_marker, delete_marker, *place, *documents),
        )
        assert cursor.lastrowid is not None
        size, etag, modified, file, file_offset = place
        return ObjectEntry(
            id=cursor.lastrowid,
            bucket=bucket.name,
            key=key,
            version_id=version_id,
            size=size,
            etag=etag,
            last_modified=modified,
            delete_marker=delete_marker,
            path=None if file is None else self._locate(file),
            file=file,
            file_offset=file_offset,
            attributes_json=documents[0],
            annotations_json=documents[1],
        )


def _encode(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document)
