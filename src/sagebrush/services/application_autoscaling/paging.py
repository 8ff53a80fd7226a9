"""Pages of targets and of what belongs to them."""

from __future__ import annotations

from typing import Any

from sagebrush.services.application_autoscaling.errors import invalid
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.store.database import Row


def page(
    context: Context,
    request: dict[str, Any],
    columns: str,
    joined: str,
    clauses: list[str],
    values: list[Any],
    limit: int,
) -> tuple[list[Row], str | None]:
    """Return the rows of a page and the token of the next, by the age of what is shown.

    `joined` is the table that is shown, beside its targets; empty for the targets themselves.
    `limit` is the most and the default of MaxResults.

    Raises:
        ApiError: MaxResults or NextToken are not valid.
    """
    size = request.get("MaxResults", limit)
    if not 1 <= size <= limit:
        raise invalid(f"MaxResults must be between 1 and {limit}.")
    shown = joined or "autoscaling_targets"
    source = "autoscaling_targets"
    if joined:
        source += f" JOIN {joined} ON target_id = autoscaling_targets.id"
    where = ["account = ?", "region = ?", "namespace = ?", *clauses]
    given = [context.account, context.region, request["ServiceNamespace"], *values]
    if "NextToken" in request:
        code = "InvalidNextTokenException"
        where.append(f"{shown}.id > ?")
        given.extend(decode_token(request["NextToken"], code, (int,)))
    rows = context.db.all(
        f"SELECT {columns} FROM {source} WHERE {' AND '.join(where)} ORDER BY {shown}.id LIMIT ?",
        (*given, size + 1),
    )
    if len(rows) <= size:
        return rows, None
    return rows[:size], encode_token([rows[size - 1]["id"]])


def filters(request: dict[str, Any], names: str) -> tuple[list[str], list[Any]]:
    """Return conditions and values for the resource, its dimension, and `names` of rows.

    Raises:
        ApiError: a dimension without a resource.
    """
    clauses: list[str] = []
    values: list[Any] = []
    if "ScalableDimension" in request and "ResourceId" not in request:
        raise invalid("ResourceId must be specified together with ScalableDimension.")
    for member, column in (("ResourceId", "resource_id"), ("ScalableDimension", "dimension")):
        if member in request:
            clauses.append(f"{column} = ?")
            values.append(request[member])
    chosen = request.get(names, [])
    if chosen:
        clauses.append(f"name IN ({', '.join('?' * len(chosen))})")
        values.extend(chosen)
    return clauses, values
