"""Repository policies."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import PolicyDocument, PolicyMalformed
from sagebrush.services.ecr.records import Repository, find_repository, named, update
from sagebrush.services.platform import Context


def set_repository_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Set who may use a repository."""
    repository = find_repository(context, request)
    try:
        # As in a trust policy there is a principal and, the repository being meant, no resource.
        PolicyDocument.trust(request["policyText"])
    except PolicyMalformed as error:
        raise ApiError(
            "InvalidParameterException",
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository"
            f" policy provided' ({error})",
        ) from None
    update(context, repository, policy=request["policyText"])
    return named(repository) | {"policyText": request["policyText"]}


def get_repository_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a repository's policy."""
    repository = find_repository(context, request)
    return named(repository) | {"policyText": _policy(repository)}


def delete_repository_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a repository's policy."""
    repository = find_repository(context, request)
    text = _policy(repository)
    update(context, repository, policy=None)
    return named(repository) | {"policyText": text}


def _policy(repository: Repository) -> str:
    if "policy" not in repository.document:
        raise ApiError(
            "RepositoryPolicyNotFoundException",
            f"Repository policy does not exist for the repository with name '{repository.name}'"
            f" in the registry with id '{repository.account}'",
        )
    return str(repository.document["policy"])
