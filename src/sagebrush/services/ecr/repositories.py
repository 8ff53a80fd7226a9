"""Repositories and their settings."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.services.ecr.records import (
    Repository,
    find_repository,
    named,
    no_such_repository,
    registry_host,
    repository_of,
    update,
)
from sagebrush.services.ecr.tag_lists import tags_of
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_RESULTS = 100


def create_repository(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make an empty repository."""
    if request.get("registryId", context.account) != context.account:
        raise ApiError(
            "InvalidParameterException", "Repositories can be made in the caller's registry only."
        )
    name = request["repositoryName"]
    document = {
        "mutability": request.get("imageTagMutability", "MUTABLE"),
        "exclusions": request.get("imageTagMutabilityExclusionFilters"),
        "scanning": {
            "scanOnPush": request.get("imageScanningConfiguration", {}).get("scanOnPush", False)
        },
        "encryption": request.get("encryptionConfiguration", {"encryptionType": "AES256"}),
        "tags": tags_of(request.get("tags", [])),
    }
    _check_exclusions(document)
    made = context.db.execute(
        "INSERT OR IGNORE INTO ecr_repositories (account, region, name, created, document)"
        " VALUES (?, ?, ?, ?, ?)",
        (context.account, context.region, name, context.now, orjson.dumps(document).decode()),
    )
    if made.rowcount == 0:
        raise ApiError(
            "RepositoryAlreadyExistsException",
            f"The repository with name '{name}' already exists in the registry with id"
            f" '{context.account}'",
        )
    return {"repository": _shape(context, find_repository(context, request))}


def describe_repositories(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the named repositories, or a page of all by name."""
    if "repositoryNames" in request:
        found = [
            find_repository(context, request | {"repositoryName": name})
            for name in request["repositoryNames"]
        ]
        return {"repositories": [_shape(context, repository) for repository in found]}
    if request.get("registryId", context.account) != context.account:
        raise no_such_repository(context, request, "*")
    limit = request.get("maxResults", _DEFAULT_RESULTS)
    after = ""
    if "nextToken" in request:
        after = decode_token(request["nextToken"], "InvalidParameterException", (str,))[0]
    rows = context.db.all(
        "SELECT * FROM ecr_repositories WHERE account = ? AND region = ? AND name > ?"
        " ORDER BY name LIMIT ?",
        (context.account, context.region, after, limit + 1),
    )
    return {
        "repositories": [_shape(context, repository_of(row)) for row in rows[:limit]],
        "nextToken": encode_token([rows[limit - 1]["name"]]) if len(rows) > limit else None,
    }


def delete_repository(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a repository; one with images only by force."""
    repository = find_repository(context, request)
    image = context.db.one(
        "SELECT 1 FROM ecr_images WHERE repository_id = ? LIMIT 1", (repository.id,)
    )
    if image is not None and not request.get("force"):
        raise ApiError(
            "RepositoryNotEmptyException",
            f"The repository with name '{repository.name}' in registry with id"
            f" '{context.account}' cannot be deleted because it still contains images",
        )
    context.db.execute("DELETE FROM ecr_repositories WHERE id = ?", (repository.id,))
    return {"repository": _shape(context, repository)}


def put_image_tag_mutability(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set whether a tag can be moved to another image."""
    repository = find_repository(context, request)
    document = {
        "mutability": request["imageTagMutability"],
        "exclusions": request.get("imageTagMutabilityExclusionFilters"),
    }
    _check_exclusions(document)
    update(context, repository, **document)
    return named(repository) | {
        "imageTagMutability": document["mutability"],
        "imageTagMutabilityExclusionFilters": document["exclusions"],
    }


def put_image_scanning_configuration(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set whether images are scanned when pushed; each then says that there is no scanner."""
    repository = find_repository(context, request)
    scanning = {"scanOnPush": request["imageScanningConfiguration"].get("scanOnPush", False)}
    update(context, repository, scanning=scanning)
    return named(repository) | {"imageScanningConfiguration": scanning}


def _check_exclusions(document: dict[str, Any]) -> None:
    excludes = document["mutability"].endswith("_WITH_EXCLUSION")
    if excludes != bool(document["exclusions"]):
        raise ApiError(
            "InvalidParameterException",
            "imageTagMutabilityExclusionFilters goes with a mutability WITH_EXCLUSION, and only"
            " with it.",
        )


def _shape(context: Context, repository: Repository) -> dict[str, Any]:
    document = repository.document
    return {
        "repositoryArn": context.arn("ecr", f"repository/{repository.name}"),
        "registryId": repository.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{registry_host(context)}/{repository.name}",
        "createdAt": repository.created,
        "imageTagMutability": document["mutability"],
        "imageTagMutabilityExclusionFilters": document.get("exclusions"),
        "imageScanningConfiguration": document["scanning"],
        "encryptionConfiguration": document["encryption"],
    }
