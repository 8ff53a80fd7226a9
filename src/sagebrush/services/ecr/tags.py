"""Tags of repositories (not of images)."""

from __future__ import annotations

from typing import Any

from sagebrush.base.arns import Arn
from sagebrush.base.errors import ApiError
from sagebrush.services.ecr.records import Repository, find_repository, update
from sagebrush.services.ecr.tag_lists import tags_of
from sagebrush.services.platform import Context

_MAX_TAGS = 50


def tag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Write tags of a repository."""
    repository = _repository(context, request["resourceArn"])
    tags = repository.document["tags"] | tags_of(request["tags"])
    if len(tags) > _MAX_TAGS:
        raise ApiError("TooManyTagsException", f"At most {_MAX_TAGS} tags are allowed.")
    update(context, repository, tags=tags)
    return {}


def untag_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove tags of a repository."""
    repository = _repository(context, request["resourceArn"])
    present = repository.document["tags"]
    update(
        context,
        repository,
        tags={k: v for k, v in present.items() if k not in request["tagKeys"]},
    )
    return {}


def list_tags_for_resource(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the tags of a repository."""
    tags = _repository(context, request["resourceArn"]).document["tags"]
    return {"tags": [{"Key": k, "Value": v} for k, v in tags.items()]}


def _repository(context: Context, text: str) -> Repository:
    arn = Arn.parse(text)
    if arn is None or not arn.resource.startswith("repository/"):
        raise ApiError(
            "InvalidParameterException",
            f"Invalid parameter at 'resourceArn' failed to satisfy constraint: '{text}' is no"
            " repository ARN",
        )
    name = arn.resource.removeprefix("repository/")
    return find_repository(context, {"repositoryName": name, "registryId": arn.account})
