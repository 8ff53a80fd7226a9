"""Refusals in Application Auto Scaling's codes and words."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError


def invalid(message: str) -> ApiError:
    """Return the error of a request that no retry makes right."""
    return ApiError("ValidationException", message)


def unsupported(what: str) -> ApiError:
    """Return the error of what AWS knows and this server does not do."""
    return invalid(f"Sagebrush does not support {what}.")


def no_target(request: dict[str, Any], *, wanted: str = "registered") -> ApiError:
    """Return the error of a request for a target that there is none of."""
    return ApiError("ObjectNotFoundException", f"No scalable target {wanted} for {_place(request)}")


def no_object(noun: str, name: str, request: dict[str, Any]) -> ApiError:
    """Return the error of a request for a `scaling policy` or `scheduled action` there is not."""
    return ApiError(
        "ObjectNotFoundException",
        f"No {noun} found for {_place(request)}, {noun.replace('scaling ', '')} name: {name}",
    )


def over_limit(noun: str, limit: int) -> ApiError:
    """Return the error of a request that would make too many of something."""
    return ApiError("LimitExceededException", f"The limit of {limit} {noun} is reached.")


def _place(request: dict[str, Any]) -> str:
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']},"
        f" scalable dimension: {request['ScalableDimension']}"
    )
