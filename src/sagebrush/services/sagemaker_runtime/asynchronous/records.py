"""Rows of asynchronous endpoints and of the requests that wait for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sagebrush.services.served import Served
from sagebrush.store.database import Database

_COLUMNS = "id, address, inference_id, received, expires, deaths, request, body"


@dataclass(frozen=True)
class Endpoint:
    """An asynchronous endpoint; `config` is its AsyncInferenceConfig.

    `variant` is the name of its first variant.
    """

    account: str
    region: str
    name: str
    created: float
    config: Mapping[str, Any]
    variant: str

    @property
    def address(self) -> str:
        """Where its fleets are found."""
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def output(self) -> Mapping[str, Any]:
        """Where its answers go."""
        config: Mapping[str, Any] = self.config["OutputConfig"]
        return config

    @property
    def concurrency(self) -> int | None:
        """How many requests an instance may have at once; None where the user does not say."""
        limit: int | None = self.config.get("ClientConfig", {}).get(
            "MaxConcurrentInvocationsPerInstance"
        )
        return limit


@dataclass(frozen=True)
class Request:
    """A request that is not answered yet. Times are epoch seconds.

    `members` are those of InvokeEndpointAsync except Body, and OutputLocation and FailureLocation.
    """

    id: int
    address: str
    inference_id: str
    received: float
    expires: float
    deaths: int
    members: Mapping[str, Any]
    body: bytes | None


def endpoint_of(served: Served) -> Endpoint:
    """Return the asynchronous endpoint that a variant belongs to."""
    return Endpoint(
        served.account,
        served.region,
        served.endpoint,
        served.created,
        served.config["AsyncInferenceConfig"],
        served.variant["VariantName"],
    )


def endpoints(db: Database) -> list[Endpoint]:
    """Return every asynchronous endpoint."""
    return [
        Endpoint(
            row["account"],
            row["region"],
            row["endpoint"],
            row["created"],
            orjson.loads(row["config"]),
            row["variant"],
        )
        for row in db.all("SELECT * FROM sagemaker_async_queues ORDER BY address")
    ]


def keep(db: Database, endpoint: Endpoint) -> None:
    """Add an endpoint, or change it; requests for an earlier one of its name go."""
    with db.atomically():
        earlier = db.one(
            "SELECT created FROM sagemaker_async_queues WHERE address = ?", (endpoint.address,)
        )
        if earlier is not None and earlier["created"] != endpoint.created:
            forget(db, endpoint.address)
        db.execute(
            "INSERT OR REPLACE INTO sagemaker_async_queues VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(endpoint.address, endpoint.account, endpoint.region, endpoint.name),
                *(endpoint.created, orjson.dumps(dict(endpoint.config)), endpoint.variant),
            ),
        )


def forget(db: Database, address: str) -> None:
    """Remove an endpoint and every request that waits for it."""
    with db.atomically():
        db.execute("DELETE FROM sagemaker_async_requests WHERE address = ?", (address,))
        db.execute("DELETE FROM sagemaker_async_queues WHERE address = ?", (address,))


def add(
    db: Database,
    address: str,
    inference_id: str,
    received: float,
    expires: float,
    members: Mapping[str, Any],
    body: bytes | None,
) -> None:
    """Add a request to the end of an endpoint's queue."""
    db.execute(
        "INSERT INTO sagemaker_async_requests"
        " (address, inference_id, received, expires, request, body) VALUES (?, ?, ?, ?, ?, ?)",
        (address, inference_id, received, expires, orjson.dumps(dict(members)), body),
    )


def first(db: Database, address: str, besides: Collection[int]) -> Request | None:
    """Return the oldest request of an endpoint that is none of `besides`."""
    ids = db.all(
        "SELECT id FROM sagemaker_async_requests WHERE address = ? ORDER BY id LIMIT ?",
        (address, len(besides) + 1),
    )
    found = next((row["id"] for row in ids if row["id"] not in besides), None)
    return None if found is None else get(db, found)


def get(db: Database, request_id: int) -> Request | None:
    """Return a request; None when it is answered."""
    row = db.one(f"SELECT {_COLUMNS} FROM sagemaker_async_requests WHERE id = ?", (request_id,))
    if row is None:
        return None
    values = dict(zip(row.keys(), row, strict=True))
    members = orjson.loads(values.pop("request"))
    return Request(members=members, **values)


def expiring(db: Database, address: str, besides: Collection[int]) -> tuple[int, float] | None:
    """Return id and moment of the request that expires first and is none of `besides`."""
    rows = db.all(
        "SELECT id, expires FROM sagemaker_async_requests WHERE address = ?"
        " ORDER BY expires, id LIMIT ?",
        (address, len(besides) + 1),
    )
    return next(((row["id"], row["expires"]) for row in rows if row["id"] not in besides), None)


def backlog(db: Database, address: str) -> tuple[int, float | None]:
    """Return how many requests are not answered, and when the oldest came."""
    row = db.one(
        "SELECT count(*) AS size, min(received) AS oldest FROM sagemaker_async_requests"
        " WHERE address = ?",
        (address,),
    )
    assert row is not None
    return row["size"], row["oldest"]


def count_death(db: Database, request_id: int) -> None:
    """Note that a model server died over a request."""
    db.execute(
        "UPDATE sagemaker_async_requests SET deaths = deaths + 1 WHERE id = ?", (request_id,)
    )


def remove(db: Database, request_id: int) -> bool:
    """Remove an answered request; False when there is none (its endpoint was deleted)."""
    cursor = db.execute("DELETE FROM sagemaker_async_requests WHERE id = ?", (request_id,))
    return cursor.rowcount > 0
