"""What may change about an object after it was written: tags, access list, retention."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord
from sagebrush.services.platform import Context
from sagebrush.services.s3.tagging import tags_from_header


def new_annotations(
    context: Context, bucket: BucketRecord, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the annotations of the object that `request` writes.

    Raises:
        ApiError: the tags, access list or retention members are not allowed.
    """
    del context, bucket
    annotations: dict[str, Any] = {}
    if tags := tags_from_header(request.get("Tagging")):
        annotations["Tags"] = tags
    return annotations
