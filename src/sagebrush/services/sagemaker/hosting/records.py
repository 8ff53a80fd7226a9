"""Rows of models, endpoint configurations and endpoints, and the pages that lists show of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sagebrush.base.arns import Arn, partition_of
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.store.database import Database, Row

# The statuses of an endpoint that answers requests.
SERVING = ("InService", "UpdateRollbackFailed", "Updating", "RollingBack")
_COLUMNS = "kind, account, region, name, status, created, modified, request, state"
_DEFAULT_PAGE = 10


class Kind(NamedTuple):
    """A kind of resource: its name in ARNs and in AWS's messages."""

    arn_name: str
    noun: str


MODEL = Kind("model", "model")
ENDPOINT_CONFIG = Kind("endpoint-config", "endpoint configuration")
ENDPOINT = Kind("endpoint", "endpoint")
INFERENCE_COMPONENT = Kind("inference-component", "inference component")
INFERENCE_EXPERIMENT = Kind("inference-experiment", "inference experiment")


@dataclass(slots=True)
class Resource:
    """One row. Times are epoch seconds."""

    kind: Kind
    account: str
    region: str
    name: str
    status: str
    created: float
    modified: float
    request: dict[str, Any]
    state: dict[str, Any]

    @property
    def arn(self) -> str:
        """The resource's ARN."""
        return arn_of(self.kind, self.account, self.region, self.name)


def arn_of(kind: Kind, account: str, region: str, name: str) -> str:
    """Return the ARN of a resource; AWS writes names in them in lower case."""
    resource = f"{kind.arn_name}/{name.lower()}"
    return str(Arn(partition_of(region), "sagemaker", region, account, resource))


def insert(
    context: Context, kind: Kind, name: str, request: dict[str, Any], status: str = ""
) -> Resource:
    """Add a resource.

    Raises:
        ApiError: ValidationException when the name is taken.
    """
    resource = Resource(
        kind, context.account, context.region, name, status, context.now, context.now, request, {}
    )
    cursor = context.db.execute(
        f"INSERT INTO sagemaker_hosting ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            *(kind.arn_name, context.account, context.region, name, status),
            *(context.now, context.now, orjson.dumps(request), b"{}"),
        ),
    )
    if not cursor.rowcount:
        raise faults.invalid(f'Cannot create already existing {kind.noun} "{resource.arn}".')
    return resource


def find(db: Database, kind: Kind, account: str, region: str, name: str) -> Resource | None:
    """Return the resource, or None."""
    row = db.one(
        f"SELECT {_COLUMNS} FROM sagemaker_hosting"
        " WHERE kind = ? AND account = ? AND region = ? AND name = ?",
        (kind.arn_name, account, region, name),
    )
    return None if row is None else _resource(kind, row)


def current(db: Database, resource: Resource) -> Resource | None:
    """Return a resource as it is now; None when it is gone, or another has its name."""
    found = find(db, resource.kind, resource.account, resource.region, resource.name)
    return None if found is None or found.created != resource.created else found


def get(context: Context, kind: Kind, name: str) -> Resource:
    """Return the resource.

    Raises:
        ApiError: ValidationException when there is none.
    """
    resource = find(context.db, kind, context.account, context.region, name)
    if resource is None:
        arn = arn_of(kind, context.account, context.region, name)
        raise faults.invalid(f'Could not find {kind.noun} "{arn}".')
    return resource


def with_status(db: Database, kind: Kind, statuses: tuple[str, ...]) -> list[Resource]:
    """Return every resource of a kind, of all accounts, in one of `statuses`."""
    marks = ", ".join("?" * len(statuses))
    rows = db.all(
        f"SELECT {_COLUMNS} FROM sagemaker_hosting"
        f" WHERE kind = ? AND status IN ({marks}) ORDER BY created",
        (kind.arn_name, *statuses),
    )
    return [_resource(kind, row) for row in rows]


def save(db: Database, resource: Resource, now: float) -> None:
    """Write back status, request and state."""
    resource.modified = now
    with db.atomically():
        db.execute(
            "UPDATE sagemaker_hosting SET status = ?, modified = ?, request = ?, state = ?"
            " WHERE kind = ? AND account = ? AND region = ? AND name = ?",
            (
                *(resource.status, now, orjson.dumps(resource.request)),
                *(orjson.dumps(resource.state), resource.kind.arn_name),
                *(resource.account, resource.region, resource.name),
            ),
        )


def delete(db: Database, resource: Resource) -> None:
    """Remove the row; the name is free again. Its tags go with it."""
    with db.atomically():
        db.execute(
            "DELETE FROM sagemaker_hosting"
            " WHERE kind = ? AND account = ? AND region = ? AND name = ?",
            (resource.kind.arn_name, resource.account, resource.region, resource.name),
        )
        db.execute("DELETE FROM sagemaker_tags WHERE arn = ?", (resource.arn,))


def page(
    context: Context, kind: Kind, request: dict[str, Any], sort_columns: dict[str, str]
) -> tuple[list[Resource], str | None]:
    """Return one page of a List operation, and the token of the next when there is one.

    `sort_columns` maps the values of SortBy to columns; the first is the default. Filters apply
    before the page is cut.
    """
    column = sort_columns[request.get("SortBy", next(iter(sort_columns)))]
    order = "ASC" if request.get("SortOrder", "Descending") == "Ascending" else "DESC"
    sign = ">" if order == "ASC" else "<"
    clauses, values = _filters(request)
    if "NextToken" in request:
        kinds = (float if column == "created" else str, str)
        position = decode_token(request["NextToken"], kinds=kinds)
        clauses.append(f"({column}, name) {sign} (?, ?)")
        values.extend(position)
    limit = request.get("MaxResults", _DEFAULT_PAGE)
    rows = context.db.all(
        f"SELECT {_COLUMNS} FROM sagemaker_hosting"
        f" WHERE {' AND '.join(['kind = ?', 'account = ?', 'region = ?', *clauses])}"
        f" ORDER BY {column} {order}, name {order} LIMIT ?",
        (kind.arn_name, context.account, context.region, *values, limit + 1),
    )
    shown = [_resource(kind, row) for row in rows[:limit]]
    if len(rows) <= limit:
        return shown, None
    last = rows[limit - 1]
    return shown, encode_token([last[column], last["name"]])


def _filters(request: dict[str, Any]) -> tuple[list[str], list[Any]]:
    conditions = {
        "NameContains": "instr(lower(name), lower(?)) > 0",
        "CreationTimeAfter": "created >= ?",
        "CreationTimeBefore": "created <= ?",
        "LastModifiedTimeAfter": "modified >= ?",
        "LastModifiedTimeBefore": "modified <= ?",
        "StatusEquals": "status = ?",
        "EndpointNameEquals": "json_extract(CAST(request AS TEXT), '$.EndpointName') = ?",
        "VariantNameEquals": "json_extract(CAST(request AS TEXT), '$.VariantName') = ?",
    }
    given = [name for name in conditions if name in request]
    return [conditions[name] for name in given], [request[name] for name in given]


def _resource(kind: Kind, row: Row) -> Resource:
    _, account, region, name, status, created, modified, request, state = row
    return Resource(
        kind,
        account,
        region,
        name,
        status,
        created,
        modified,
        orjson.loads(request),
        orjson.loads(state),
    )
