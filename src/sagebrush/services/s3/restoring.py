"""RestoreObject. Archived bytes lie on the disk like all others: a restore is done at once."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.object_reading import ARCHIVED
from sagebrush.services.s3.reach import reach_object

_DAY_S = 86_400


def restore_object(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Let an archived version be read; asking again only moves the date until when."""
    _, entry = reach_object(context, request, "s3:RestoreObject")
    storage_class = entry.attributes.get("StorageClass", "STANDARD")
    if storage_class not in ARCHIVED:
        raise fault("InvalidObjectState", StorageClass=storage_class)
    wanted = request.get("RestoreRequest") or {}
    if wanted.get("Type") == "SELECT":
        raise fault("NotImplemented", "Restores of type SELECT are not supported.")
    days = wanted.get("Days")
    if days is None or days < 1:
        raise fault("MalformedXML")
    restored_before = "Restore" in entry.annotations
    # Until a midnight, as S3 counts days.
    until = (context.now // _DAY_S + days + 1) * _DAY_S
    text = f'ongoing-request="false", expiry-date="{formatdate(until, usegmt=True)}"'
    annotations = entry.annotations | {"Restore": text}
    context.platform.objects.versions.annotate(entry, annotations)
    context.status = 200 if restored_before else 202
    return {}
