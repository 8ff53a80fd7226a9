"""The input of an asynchronous request, without a copy of it where it is large."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import NamedTuple

from sagebrush.engines.objects import (
    InvalidLocation,
    ObjectNotFound,
    ObjectStoreError,
    parse_s3_uri,
)
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous.records import Request

# The guide's "payload sizes up to 1GB".
_MAXIMUM_BYTES = 1 << 30
_MAPPED_FROM_BYTES = 64 * 1024


class Payload(NamedTuple):
    """An input, and the content type of its object."""

    content: bytes | memoryview
    content_type: str | None = None


class TooLargeError(ObjectStoreError):
    """The input is larger than an asynchronous request's may be."""


def fetched(platform: Platform, request: Request) -> Payload:
    """Return the input of a request; the content of a large one is a view of the object's file.

    The object may be removed or replaced meanwhile: the view stays what it was.

    Raises:
        ObjectStoreError: there is no such object, or it is too large.
    """
    if request.body is not None:
        return Payload(request.body)
    location: str = request.members["InputLocation"]
    bucket, key = parse_s3_uri(location)
    if not key:
        raise InvalidLocation(location)
    entry = platform.objects.get(bucket, key)
    if entry.size > _MAXIMUM_BYTES:
        raise TooLargeError(f"{entry.size} bytes are more than the limit of {_MAXIMUM_BYTES}")
    content_type = entry.attributes.get("ContentType")
    if entry.path is None or entry.size < _MAPPED_FROM_BYTES:
        return Payload(platform.objects.read(entry), content_type)
    try:
        return Payload(_view(entry.path, entry.file_offset, entry.size), content_type)
    except FileNotFoundError:
        raise ObjectNotFound(bucket, key, entry.version_id) from None


def _view(path: Path, offset: int, size: int) -> memoryview:
    """Return a view of a part of a file, read only as it is sent."""
    start = offset - offset % mmap.ALLOCATIONGRANULARITY
    with path.open("rb") as stream:
        mapped = mmap.mmap(
            stream.fileno(), offset + size - start, access=mmap.ACCESS_READ, offset=start
        )
    # Unmapped once the last view is gone: what is being sent may outlive a cancelled request.
    return memoryview(mapped)[offset - start :]
