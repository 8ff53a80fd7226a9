"""What may change about an object after it was written: tags, access list, retention."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import BucketRecord
from sagebrush.services.platform import Context
from sagebrush.services.s3.access import check_lists_allowed
from sagebrush.services.s3.grants import requested_grants
from sagebrush.services.s3.locks import requested_lock
from sagebrush.services.s3.tagging import tags_from_header


def new_annotations(
    context: Context, bucket: BucketRecord, request: dict[str, Any], owner: str
) -> dict[str, Any]:
    """Return the annotations of the object of `owner` (an account) that `request` writes.

    Raises:
        ApiError: the tags, access list or retention members are not allowed.
    """
    annotations: dict[str, Any] = {}
    if tags := tags_from_header(request.get("Tagging")):
        annotations["Tags"] = tags
    grants = requested_grants(request, owner, bucket.account)
    if grants is not None:
        check_lists_allowed(context, bucket, request, grants)
        annotations["Grants"] = grants
    return annotations | requested_lock(context, bucket, request)
