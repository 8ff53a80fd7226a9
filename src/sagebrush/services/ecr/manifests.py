"""Image manifests: their digest, type, size, and what they refer to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from sagebrush.base.errors import ApiError

_LISTS = frozenset(
    (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
_IMAGES = frozenset(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    )
)


_LARGEST_BYTES = 2**50


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest; `size_bytes` is None for a list, whose images have sizes of their own."""

    digest: str
    media_type: str
    size_bytes: int | None
    layers: tuple[str, ...]
    images: tuple[str, ...]


def parse_manifest(text: str, media_type: str | None) -> Manifest:
    """Return what an image manifest says.

    Raises:
        ApiError: InvalidParameterException, when it is no manifest of a known type.
    """
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    try:
        document = orjson.loads(text)
        kind = media_type or document.get("mediaType") or _guessed(document)
        if kind in _LISTS:
            images = tuple(_digest(entry) for entry in document["manifests"])
            return Manifest(digest, kind, None, (), images)
        if kind in _IMAGES:
            blobs = [document["config"], *document["layers"]]
            size = sum(_size(blob) for blob in blobs)
            return Manifest(digest, kind, size, tuple(_digest(blob) for blob in blobs), ())
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise _invalid() from None
    raise _invalid()


def _digest(descriptor: dict[str, object]) -> str:
    digest = descriptor["digest"]
    if not isinstance(digest, str):
        raise _invalid()
    return digest


def _size(descriptor: dict[str, object]) -> int:
    size = descriptor["size"]
    if not isinstance(size, int) or not 0 <= size < _LARGEST_BYTES:
        raise _invalid()
    return size


def _guessed(document: dict[str, object]) -> str:
    """OCI manifests need not name their type."""
    if document.get("schemaVersion") != 2:
        raise _invalid()
    kind = "index" if "manifests" in document else "manifest"
    return f"application/vnd.oci.image.{kind}.v1+json"


def _invalid() -> ApiError:
    return ApiError(
        "InvalidParameterException",
        "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON"
        " syntax, or no manifest of a supported type'",
    )
