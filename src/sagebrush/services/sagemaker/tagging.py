"""The tags of every kind of SageMaker resource, in one table by ARN.

A resource file calls `add_tags` when it creates something and `delete_all_tags` when it deletes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sagebrush.services.sagemaker import faults
from sagebrush.store.database import Database

_TAG_LIMIT = 50


def tags_of(db: Database, arn: str) -> list[dict[str, str]]:
    """Return the tags of a resource in wire form, in the order they were first given."""
    rows = db.all("SELECT key, value FROM sagemaker_tags WHERE arn = ? ORDER BY position", (arn,))
    return [{"Key": row["key"], "Value": row["value"]} for row in rows]


def tags_by_arn(db: Database, arns: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Return the tags of many resources; one without tags is left out."""
    found: dict[str, list[dict[str, str]]] = {}
    for start in range(0, len(arns), 500):
        part = arns[start : start + 500]
        marks = ",".join("?" * len(part))
        rows = db.all(
            f"SELECT arn, key, value FROM sagemaker_tags WHERE arn IN ({marks}) ORDER BY position",
            part,
        )
        for row in rows:
            found.setdefault(row["arn"], []).append({"Key": row["key"], "Value": row["value"]})
    return found


def add_tags(db: Database, arn: str, tags: Iterable[dict[str, Any]]) -> None:
    """Add tags to a resource; a key it has already gets the new value.

    Raises:
        ApiError: ValidationException for a reserved key, a key given twice or too many tags.
    """
    given = list(tags)
    _check(given)
    db.execute_many(
        "INSERT INTO sagemaker_tags (arn, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
        [(arn, tag["Key"], tag["Value"]) for tag in given],
    )
    row = db.one("SELECT count(*) AS number FROM sagemaker_tags WHERE arn = ?", (arn,))
    if row is not None and row["number"] > _TAG_LIMIT:
        raise faults.invalid(f"The maximum number of tags per resource is {_TAG_LIMIT}.")


def _check(tags: list[dict[str, Any]]) -> None:
    keys = [tag["Key"] for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise faults.invalid(
                f"aws: prefixed tag key names are not allowed for external use. Tag key: {key}"
            )
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise faults.invalid(
            f"Duplicate tag keys found: {', '.join(repeated)}. Please remove them."
        )


def delete_tags(db: Database, arn: str, keys: Iterable[str]) -> None:
    """Remove tags of a resource; keys it does not have are passed over."""
    db.execute_many(
        "DELETE FROM sagemaker_tags WHERE arn = ? AND key = ?", [(arn, key) for key in keys]
    )


def delete_all_tags(db: Database, arn: str) -> None:
    """Remove every tag of a resource that is deleted."""
    db.execute("DELETE FROM sagemaker_tags WHERE arn = ?", (arn,))
