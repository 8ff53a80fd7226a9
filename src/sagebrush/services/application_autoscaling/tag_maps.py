"""What tags a scalable target can have."""

from __future__ import annotations

from collections.abc import Mapping

from sagebrush.base.errors import ApiError
from sagebrush.services.application_autoscaling.errors import invalid

_MAX_TAGS = 50


def check_tags(tags: Mapping[str, str], arn: str | None = None) -> None:
    """Refuse reserved or too many tags.

    Raises:
        ApiError: ValidationException; TooManyTagsException for the target `arn`.
    """
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag keys that begin with aws: are reserved: {key}")
    if len(tags) > _MAX_TAGS:
        message = f"A scalable target can have at most {_MAX_TAGS} tags."
        if arn is None:
            raise invalid(message)
        raise ApiError("TooManyTagsException", message, ResourceName=arn)
