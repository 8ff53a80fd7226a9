"""A page of a table of jobs: the filters, order and tokens that their lists have in common."""

from __future__ import annotations

from typing import Any

from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.store.database import Row

_PAGE = 10
_SORT_COLUMNS = {"Name": "name", "CreationTime": "created", "Status": "status"}
_FILTERS = {
    "StatusEquals": "status = ?",
    "CreationTimeAfter": "created > ?",
    "CreationTimeBefore": "created < ?",
    "LastModifiedTimeAfter": "modified > ?",
    "LastModifiedTimeBefore": "modified < ?",
    "NameContains": "instr(lower(name), lower(?)) > 0",
}


def page_of(
    context: Context, request: dict[str, Any], table: str, columns: str, by: str, order: str
) -> tuple[list[Row], str | None]:
    """Return the rows of a page, and the token of the next one if there is more.

    `columns` include `id`, `name`, `status` and `created`; `by` and `order` are the operation's
    defaults of SortBy and SortOrder. Raises ApiError for a token that is none.
    """
    column = _SORT_COLUMNS[request.get("SortBy", by)]
    descending = request.get("SortOrder", order) == "Descending"
    conditions, values = ["account = ?", "region = ?"], [context.account, context.region]
    for member, condition in _FILTERS.items():
        if member in request:
            conditions.append(condition)
            values.append(request[member])
    if token := request.get("NextToken"):
        position = decode_token(token)
        if len(position) != 2 or not all(isinstance(item, str | int | float) for item in position):
            raise faults.invalid("The specified pagination token is invalid.")
        conditions.append(f"({column}, id) {'<' if descending else '>'} (?, ?)")
        values += position
    limit = request.get("MaxResults", _PAGE)
    direction = "DESC" if descending else "ASC"
    rows = context.db.all(
        f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {column} {direction}, id {direction} LIMIT ?",
        (*values, limit + 1),
    )
    shown = rows[:limit]
    following = encode_token([shown[-1][column], shown[-1]["id"]]) if len(rows) > limit else None
    return shown, following
