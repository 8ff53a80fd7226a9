"""Repositories as rows, and the error about one that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context
from sagebrush.store.database import Row


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository."""

    id: int
    account: str
    name: str
    created: float
    document: dict[str, Any]


def find_repository(context: Context, request: dict[str, Any]) -> Repository:
    """Return the repository a request names, or refuse with RepositoryNotFoundException."""
    name = request["repositoryName"]
    row = context.db.one(
        "SELECT * FROM ecr_repositories WHERE account = ? AND region = ? AND name = ?",
        (request.get("registryId", context.account), context.region, name),
    )
    if row is None or row["account"] != context.account:
        raise no_such_repository(context, request, name)
    return repository_of(row)


def no_such_repository(context: Context, request: dict[str, Any], name: str) -> ApiError:
    """Return the error about a repository that is not there."""
    registry = request.get("registryId", context.account)
    return ApiError(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{registry}'",
    )


def repository_of(row: Row) -> Repository:
    """Return the repository of a row."""
    return Repository(
        row["id"], row["account"], row["name"], row["created"], orjson.loads(row["document"])
    )


def update(context: Context, repository: Repository, **members: Any) -> None:
    """Write members of a repository's document; None removes one."""
    merged = repository.document | members
    kept = {key: value for key, value in merged.items() if value is not None}
    context.db.execute(
        "UPDATE ecr_repositories SET document = ? WHERE id = ?",
        (orjson.dumps(kept).decode(), repository.id),
    )


def named(repository: Repository) -> dict[str, str]:
    """Return the members that name a repository in most answers."""
    return {"registryId": repository.account, "repositoryName": repository.name}


def registry_host(context: Context) -> str:
    """Return the host part of image URIs of the caller's account and region."""
    suffix = "amazonaws.com.cn" if context.region.startswith("cn-") else "amazonaws.com"
    return f"{context.account}.dkr.ecr.{context.region}.{suffix}"
