"""Bucket rows."""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.engines.objects.entries import BucketRecord
from sagebrush.engines.objects.errors import BucketExists, BucketNotEmpty, BucketNotFound
from sagebrush.engines.objects.provided import PROVIDER_ACCOUNT, ProvidedBuckets
from sagebrush.store.database import Database, Row

_COLUMNS = "id, name, account, region, created, versioning, object_lock"
_UPLOAD_FILES = (
    "SELECT slot_file AS file FROM objects_uploads WHERE bucket = :bucket"
    " AND slot_file IS NOT NULL UNION SELECT file FROM objects_parts"
    " WHERE upload_id IN (SELECT upload_id FROM objects_uploads WHERE bucket = :bucket)"
)


class Buckets:
    """Create, find and remove buckets. Names are unique over all accounts, as on AWS."""

    def __init__(
        self, db: Database, release: Callable[[str], None], provided: ProvidedBuckets
    ) -> None:
        self._db = db
        self._release = release
        self._provided = provided

    def create(
        self, account: str, region: str, name: str, now: float, *, object_lock: bool = False
    ) -> BucketRecord:
        """Return a new bucket; with `object_lock` versioning is on from the start.

        Raises:
            BucketExists: the name is taken, by this account or another.
        """
        with self._db.atomically():
            existing = self.find(name)
            if existing is not None:
                raise BucketExists(name, existing.account)
            return self._insert(account, region, name, now, object_lock=object_lock)

    def find(self, name: str) -> BucketRecord | None:
        """Return the bucket, or None. One that the platform provides is made, and renewed, here."""
        record = self._row(name)
        provided = self._provided.of(name)
        if provided is None or (record is not None and record.account != PROVIDER_ACCOUNT):
            return record
        with self._db.atomically():
            if record is None:
                record = self._insert(PROVIDER_ACCOUNT, provided.region, name, 0.0)
            self._provided.renew(record, provided)
        return record

    def _row(self, name: str) -> BucketRecord | None:
        row = self._db.one(f"SELECT {_COLUMNS} FROM objects_buckets WHERE name = ?", (name,))
        return None if row is None else _record(row)

    def _insert(
        self, account: str, region: str, name: str, now: float, *, object_lock: bool = False
    ) -> BucketRecord:
        self._db.execute(
            "INSERT INTO objects_buckets (name, account, region, created, versioning,"
            " object_lock) VALUES (?, ?, ?, ?, ?, ?)",
            (name, account, region, now, "Enabled" if object_lock else "", object_lock),
        )
        record = self._row(name)
        assert record is not None
        return record

    def get(self, name: str) -> BucketRecord:
        """Return the bucket.

        Raises:
            BucketNotFound: there is none.
        """
        record = self.find(name)
        if record is None:
            raise BucketNotFound(name)
        return record

    def list(
        self, account: str, *, start_after: str = "", prefix: str = "", limit: int = -1
    ) -> list[BucketRecord]:
        """Return the account's buckets in the order of their names."""
        rows = self._db.all(
            f"SELECT {_COLUMNS} FROM objects_buckets WHERE account = ? AND name > ?"
            " AND substr(name, 1, length(?)) = ? ORDER BY name LIMIT ?",
            (account, start_after, prefix, prefix, limit),
        )
        return [_record(row) for row in rows]

    def set_versioning(self, name: str, status: str) -> None:
        """Turn versioning `Enabled` or `Suspended`."""
        self._db.execute("UPDATE objects_buckets SET versioning = ? WHERE name = ?", (status, name))

    def enable_object_lock(self, name: str) -> None:
        """Allow retention on the bucket's versions; it cannot be taken back."""
        self._db.execute("UPDATE objects_buckets SET object_lock = 1 WHERE name = ?", (name,))

    def delete(self, name: str) -> None:
        """Remove an empty bucket, and uploads under way in it.

        Raises:
            BucketNotFound: there is none.
            BucketNotEmpty: it holds versions or delete markers.
        """
        with self._db.atomically():
            bucket = self.get(name)
            held = "SELECT 1 FROM objects_versions WHERE bucket = ? LIMIT 1"
            if self._db.one(held, (bucket.id,)) is not None:
                raise BucketNotEmpty(name)
            files = self._db.all(_UPLOAD_FILES, {"bucket": bucket.id})
            self._db.execute("DELETE FROM objects_uploads WHERE bucket = ?", (bucket.id,))
            self._db.execute("DELETE FROM objects_buckets WHERE id = ?", (bucket.id,))
        for row in files:
            self._release(row["file"])


def _record(row: Row) -> BucketRecord:
    return BucketRecord(
        id=row["id"],
        name=row["name"],
        account=row["account"],
        region=row["region"],
        created=row["created"],
        versioning=row["versioning"],
        object_lock=bool(row["object_lock"]),
    )
