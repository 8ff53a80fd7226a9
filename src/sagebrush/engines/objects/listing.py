"""Key order, prefixes and delimiters, by seeking in the index.

Keys sort by their UTF-8 bytes, which is how SQLite compares text. All keys under a common prefix
are passed over with one seek to the first text after them, so a listing costs what it returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sagebrush.engines.objects.entries import BucketRecord, ListedPrefix, ObjectEntry
from sagebrush.engines.objects.versions import COLUMNS, Versions
from sagebrush.store.database import Database, Row

_LAST = 0x10FFFF


class Position(NamedTuple):
    """Where a listing of versions goes on: after this version of this key."""

    key: str
    version_id: str


def after_prefix(prefix: str) -> str | None:
    """Return the least text above every text that starts with `prefix`; None if there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index]) + 1
        if code == 0xD800:  # surrogates are no characters
            code = 0xE000
        if code <= _LAST:
            return prefix[:index] + chr(code)
    return None


class Listing:
    """Reads buckets in key order."""

    def __init__(self, db: Database, versions: Versions) -> None:
        self._db = db
        self._versions = versions

    def current(
        self, bucket: BucketRecord, prefix: str = "", *, delimiter: str = "", start_after: str = ""
    ) -> Iterator[ObjectEntry | ListedPrefix]:
        """Yield current objects and common prefixes above `start_after`, in order.

        A `start_after` that lies under a common prefix passes over that prefix only if it is the
        prefix itself (that is how pages go on). Nothing may be written between two steps.
        """
        start, inclusive = _start(prefix, delimiter, start_after)
        limit = after_prefix(prefix)
        while True:
            for row in self._live_rows(bucket, start, limit, inclusive=inclusive):
                rolled = _rolled(row["key"], prefix, delimiter)
                if rolled is None:
                    yield self._versions.entry(bucket.name, row)
                    continue
                yield ListedPrefix(rolled)
                following = after_prefix(rolled)
                break
            else:
                return
            if following is None:
                return
            start, inclusive = following, True

    def history(
        self,
        bucket: BucketRecord,
        prefix: str = "",
        *,
        delimiter: str = "",
        after: Position | None = None,
    ) -> Iterator[tuple[ObjectEntry, bool] | ListedPrefix]:
        """Yield (version, is it the newest) and common prefixes, newest first within a key.

        `after` names the last version shown; with an empty version id all of its key is passed
        over. Nothing may be written between two steps.
        """
        start, inclusive = _start(prefix, delimiter, after.key if after else "")
        limit = after_prefix(prefix)
        previous = ""
        if after is not None and after.version_id:
            yield from self._rest_of_key(bucket, after)
        while True:
            for row in self._history_rows(bucket, start, limit, inclusive=inclusive):
                rolled = _rolled(row["key"], prefix, delimiter)
                if rolled is None:
                    yield self._versions.entry(bucket.name, row), row["key"] != previous
                    previous = row["key"]
                    continue
                yield ListedPrefix(rolled)
                following = after_prefix(rolled)
                break
            else:
                return
            if following is None:
                return
            start, inclusive = following, True

    def _rest_of_key(
        self, bucket: BucketRecord, after: Position
    ) -> Iterator[tuple[ObjectEntry, bool]]:
        shown = self._db.one(
            "SELECT id FROM objects_versions WHERE bucket = ? AND key = ? AND version_id = ?",
            (bucket.id, after.key, after.version_id),
        )
        if shown is None:
            # Removed since the last page: without it the order is unknown, so show the key again.
            newest = self._db.one(
                "SELECT max(id) AS id FROM objects_versions WHERE bucket = ? AND key = ?",
                (bucket.id, after.key),
            )
            bound = 0 if newest is None or newest["id"] is None else newest["id"] + 1
        else:
            bound = shown["id"]
        rows = self._db.all(
            f"SELECT {COLUMNS} FROM objects_versions WHERE bucket = ? AND key = ? AND id < ?"
            " ORDER BY id DESC",
            (bucket.id, after.key, bound),
        )
        for index, row in enumerate(rows):
            yield self._versions.entry(bucket.name, row), shown is None and index == 0

    def _live_rows(
        self, bucket: BucketRecord, start: str, limit: str | None, *, inclusive: bool
    ) -> Iterator[Row]:
        return self._rows(bucket, start, limit, "AND live = 1", "key", inclusive)

    def _history_rows(
        self, bucket: BucketRecord, start: str, limit: str | None, *, inclusive: bool
    ) -> Iterator[Row]:
        return self._rows(bucket, start, limit, "", "key, id DESC", inclusive)

    def _rows(
        self,
        bucket: BucketRecord,
        start: str,
        limit: str | None,
        condition: str,
        order: str,
        inclusive: bool,
    ) -> Iterator[Row]:
        lower = ">=" if inclusive else ">"
        upper = "" if limit is None else " AND key < :limit"
        return iter(
            self._db.execute(
                f"SELECT {COLUMNS} FROM objects_versions WHERE bucket = :bucket {condition}"
                f" AND key {lower} :start{upper} ORDER BY {order}",
                {"bucket": bucket.id, "start": start, "limit": limit},
            )
        )


def _start(prefix: str, delimiter: str, start_after: str) -> tuple[str, bool]:
    """Return where to seek to, and whether that key itself belongs to the listing."""
    if delimiter and start_after.startswith(prefix) and start_after.endswith(delimiter):
        rolled = _rolled(start_after, prefix, delimiter)
        following = after_prefix(start_after)
        if rolled == start_after and following is not None:
            return following, True
    if start_after >= prefix and start_after:
        return start_after, False
    return prefix, True


def _rolled(key: str, prefix: str, delimiter: str) -> str | None:
    """Return the common prefix that `key` disappears in, or None when it is shown itself."""
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]
