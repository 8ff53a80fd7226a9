"""Batches: up to ten entries, each of which succeeds or fails by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sagebrush.base.errors import ApiError

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MAXIMUM_ENTRIES = 10


def carry_out(
    entries: list[dict[str, Any]], work: Callable[[dict[str, Any]], dict[str, Any]], shape: str
) -> dict[str, Any]:
    """Return what `work` makes of each entry, and the errors of those that it refuses.

    Raises:
        ApiError: the batch as a whole is not valid; then nothing is done.
    """
    _check(entries, shape)
    successful, failed = [], []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **work(entry)})
        except ApiError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "SenderFault": (error.status or 400) < 500,
                    "Code": error.code,
                    "Message": error.message,
                }
            )
    return {"Successful": successful, "Failed": failed}


def _check(entries: list[dict[str, Any]], shape: str) -> None:
    if not entries:
        raise ApiError("EmptyBatchRequest", f"There should be at least one {shape} in the request.")
    if len(entries) > _MAXIMUM_ENTRIES:
        raise ApiError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {_MAXIMUM_ENTRIES}. You have sent"
            f" {len(entries)}.",
        )
    seen = set()
    for entry in entries:
        if not _ID.fullmatch(entry["Id"]):
            raise ApiError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and"
                " underscores. It can be at most 80 letters long.",
            )
        if entry["Id"] in seen:
            raise ApiError("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])
