"""What is configured for a bucket, one JSON document per kind."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.store.database import Database


def read_setting(db: Database, bucket_id: int, name: str) -> Any | None:
    """Return the document, or None when it was never put or was deleted."""
    row = db.one(
        "SELECT document FROM s3_bucket_settings WHERE bucket = ? AND name = ?", (bucket_id, name)
    )
    return None if row is None else orjson.loads(row["document"])


def read_settings(db: Database, bucket_id: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the named documents that exist."""
    rows = db.all("SELECT name, document FROM s3_bucket_settings WHERE bucket = ?", (bucket_id,))
    return {row["name"]: orjson.loads(row["document"]) for row in rows if row["name"] in names}


def write_setting(db: Database, bucket_id: int, name: str, document: Any) -> None:
    """Keep the document in place of an earlier one."""
    db.execute(
        "INSERT OR REPLACE INTO s3_bucket_settings (bucket, name, document) VALUES (?, ?, ?)",
        (bucket_id, name, orjson.dumps(document)),
    )


def delete_setting(db: Database, bucket_id: int, name: str) -> None:
    """Forget the document; nothing happens when there is none."""
    db.execute("DELETE FROM s3_bucket_settings WHERE bucket = ? AND name = ?", (bucket_id, name))
