"""PutObjectTagging, GetObjectTagging, DeleteObjectTagging."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.reach import reach_object, version_member
from sagebrush.services.s3.tagging import OBJECT_TAGS, tag_set, tags_from_set


def put_object_tagging(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Replace the tags of a version."""
    bucket, entry = reach_object(context, request, "s3:PutObjectTagging")
    tags = tags_from_set(request["Tagging"]["TagSet"], OBJECT_TAGS)
    annotations = entry.annotations | {"Tags": tags}
    context.platform.objects.versions.annotate(entry, annotations)
    return {"VersionId": version_member(bucket, entry)}


def get_object_tagging(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the tags of a version."""
    bucket, entry = reach_object(context, request, "s3:GetObjectTagging")
    return {
        "TagSet": tag_set(entry.annotations.get("Tags", {})),
        "VersionId": version_member(bucket, entry),
    }


def delete_object_tagging(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Take the tags of a version away."""
    bucket, entry = reach_object(context, request, "s3:DeleteObjectTagging")
    annotations = entry.annotations
    annotations.pop("Tags", None)
    context.platform.objects.versions.annotate(entry, annotations)
    return {"VersionId": version_member(bucket, entry)}
