"""Lifecycle policies: kept here, applied by `expiry`."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.ecr.expiry import RuleError, parse_rules
from sagebrush.services.ecr.records import Repository, find_repository, named, update
from sagebrush.services.platform import Context


def put_lifecycle_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set which images of a repository expire; within the hour they do."""
    repository = find_repository(context, request)
    text = request["lifecyclePolicyText"]
    try:
        parse_rules(text)
    except RuleError as error:
        raise ApiError(
            "InvalidParameterException",
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint:"
            f" 'Lifecycle policy validation failure: {error}'",
        ) from None
    update(context, repository, lifecycle=text)
    return named(repository) | {"lifecyclePolicyText": text}


def get_lifecycle_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a repository's lifecycle policy."""
    repository = find_repository(context, request)
    return named(repository) | {"lifecyclePolicyText": _policy(repository)}


def delete_lifecycle_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a repository's lifecycle policy."""
    repository = find_repository(context, request)
    text = _policy(repository)
    update(context, repository, lifecycle=None)
    return named(repository) | {"lifecyclePolicyText": text}


def _policy(repository: Repository) -> str:
    if "lifecycle" not in repository.document:
        raise ApiError(
            "LifecyclePolicyNotFoundException",
            f"Lifecycle policy does not exist for the repository with name '{repository.name}'"
            f" in the registry with id '{repository.account}'",
        )
    return str(repository.document["lifecycle"])
