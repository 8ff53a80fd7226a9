"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from sagebrush.engines.objects import ListedPrefix, ObjectEntry
from sagebrush.engines.objects.listing import Position
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import invalid_argument
from sagebrush.services.s3.owners import owner
from sagebrush.services.s3.reach import reach_bucket

MAXIMUM_KEYS = 1000


def list_objects(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List current objects, continued by key (`Marker`)."""
    bucket = reach_bucket(context, request, "s3:ListBucket")
    page = _Page(request)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    marker = request.get("Marker") or ""
    items = context.platform.objects.listing.current(
        bucket, prefix, delimiter=delimiter, start_after=marker
    )
    page.fill(items)
    answer = page.members(with_owner=True)
    answer |= {
        "Name": bucket.name,
        # boto3 decodes every encoded member of this answer but the prefix.
        "Prefix": prefix,
        "Marker": page.encode(marker),
        "Delimiter": page.encode(delimiter) if delimiter else None,
    }
    if page.is_truncated and delimiter:
        # S3 names the next marker only then: without a delimiter it is the last key.
        answer["NextMarker"] = page.encode(page.last)
    return answer


def list_objects_v2(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List current objects, continued by an opaque token."""
    bucket = reach_bucket(context, request, "s3:ListBucket")
    page = _Page(request)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    token = request.get("ContinuationToken")
    start_after = request.get("StartAfter") or ""
    items = context.platform.objects.listing.current(
        bucket,
        prefix,
        delimiter=delimiter,
        start_after=_key_of(token) if token else start_after,
    )
    page.fill(items)
    answer = page.members(with_owner=bool(request.get("FetchOwner")))
    answer |= {
        "Name": bucket.name,
        "Prefix": page.encode(prefix),
        "Delimiter": page.encode(delimiter) if delimiter else None,
        "KeyCount": page.count,
        "ContinuationToken": token,
        "StartAfter": page.encode(start_after) if start_after else None,
    }
    if page.is_truncated:
        answer["NextContinuationToken"] = _token_of(page.last)
    return answer


def list_object_versions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """List every version and delete marker, newest first within a key."""
    bucket = reach_bucket(context, request, "s3:ListBucketVersions")
    page = _Page(request)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    key_marker = request.get("KeyMarker") or ""
    version_marker = request.get("VersionIdMarker") or ""
    if version_marker and not key_marker:
        raise invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            version_marker,
        )
    after = Position(key_marker, version_marker) if key_marker else None
    versions = _Versions(page)
    versions.fill(
        context.platform.objects.listing.history(bucket, prefix, delimiter=delimiter, after=after)
    )
    answer = versions.members()
    answer |= {
        "Name": bucket.name,
        "Prefix": page.encode(prefix),
        "Delimiter": page.encode(delimiter) if delimiter else None,
        "KeyMarker": page.encode(key_marker),
        "VersionIdMarker": version_marker,
    }
    return answer


class _Page:
    """What fits into one answer."""

    def __init__(self, request: dict[str, Any]) -> None:
        limit = request.get("MaxKeys")
        if limit is not None and limit < 0:
            raise invalid_argument(
                "Argument maxKeys must be an integer between 0 and 2147483647", "maxKeys", limit
            )
        self.limit = MAXIMUM_KEYS if limit is None else min(limit, MAXIMUM_KEYS)
        self.encoding: str | None = request.get("EncodingType")
        self.is_truncated = False
        self.last = ""
        self.contents: list[ObjectEntry] = []
        self.prefixes: list[str] = []

    @property
    def count(self) -> int:
        """How many keys and common prefixes the page holds."""
        return len(self.contents) + len(self.prefixes)

    def fill(self, items: Iterable[ObjectEntry | ListedPrefix]) -> None:
        """Take items until the page is full; truncated if one more is left."""
        if self.limit == 0:
            return
        for item in items:
            if self.count == self.limit:
                self.is_truncated = True
                return
            if isinstance(item, ListedPrefix):
                self.prefixes.append(item.prefix)
                self.last = item.prefix
            else:
                self.contents.append(item)
                self.last = item.key

    def encode(self, text: str) -> str:
        """Return a key or prefix as the answer carries it."""
        return quote(text, safe="/", errors="surrogatepass") if self.encoding == "url" else text

    def members(self, *, with_owner: bool) -> dict[str, Any]:
        """Return the members that all listings of objects share."""
        return {
            "IsTruncated": self.is_truncated,
            "MaxKeys": self.limit,
            "EncodingType": self.encoding,
            "Contents": [self.content(entry, with_owner=with_owner) for entry in self.contents],
            "CommonPrefixes": [{"Prefix": self.encode(prefix)} for prefix in self.prefixes],
        }

    def content(self, entry: ObjectEntry, *, with_owner: bool) -> dict[str, Any]:
        """Return the element of one object."""
        attributes = entry.attributes
        content = {
            "Key": self.encode(entry.key),
            "LastModified": entry.last_modified,
            "ETag": f'"{entry.etag}"',
            "Size": entry.size,
            "StorageClass": attributes.get("StorageClass", "STANDARD"),
        }
        if checksums := attributes.get("Checksums"):
            content["ChecksumAlgorithm"] = list(checksums)
            content["ChecksumType"] = attributes.get("ChecksumType", "FULL_OBJECT")
        if with_owner:
            content["Owner"] = owner(attributes["Owner"])
        return content


class _Versions:
    """A page of versions, delete markers and common prefixes."""

    def __init__(self, page: _Page) -> None:
        self._page = page
        self._versions: list[dict[str, Any]] = []
        self._markers: list[dict[str, Any]] = []
        self._next_version_id = ""

    def fill(self, items: Iterable[tuple[ObjectEntry, bool] | ListedPrefix]) -> None:
        """Take items until the page is full; truncated if one more is left."""
        page = self._page
        if page.limit == 0:
            return
        for item in items:
            if len(self._versions) + len(self._markers) + len(page.prefixes) == page.limit:
                page.is_truncated = True
                return
            if isinstance(item, ListedPrefix):
                page.prefixes.append(item.prefix)
                page.last, self._next_version_id = item.prefix, ""
                continue
            entry, is_latest = item
            page.last, self._next_version_id = entry.key, entry.version_id
            if entry.delete_marker:
                self._markers.append(self._marker(entry, is_latest=is_latest))
            else:
                content = page.content(entry, with_owner=True)
                content |= {"VersionId": entry.version_id, "IsLatest": is_latest}
                self._versions.append(content)

    def _marker(self, entry: ObjectEntry, *, is_latest: bool) -> dict[str, Any]:
        return {
            "Key": self._page.encode(entry.key),
            "VersionId": entry.version_id,
            "IsLatest": is_latest,
            "LastModified": entry.last_modified,
            "Owner": owner(entry.attributes["Owner"]),
        }

    def members(self) -> dict[str, Any]:
        """Return the members of the answer but for the request's own."""
        page = self._page
        answer: dict[str, Any] = {
            "IsTruncated": page.is_truncated,
            "MaxKeys": page.limit,
            "EncodingType": page.encoding,
            "Versions": self._versions,
            "DeleteMarkers": self._markers,
            "CommonPrefixes": [{"Prefix": page.encode(prefix)} for prefix in page.prefixes],
        }
        if page.is_truncated:
            answer["NextKeyMarker"] = page.encode(page.last)
            answer["NextVersionIdMarker"] = self._next_version_id or None
        return answer


def _token_of(key: str) -> str:
    return urlsafe_b64encode(b"1" + key.encode("utf-8", "surrogatepass")).decode()


def _key_of(token: str) -> str:
    try:
        decoded = urlsafe_b64decode(token.encode())
        if decoded[:1] != b"1":
            raise ValueError(token)
        return decoded[1:].decode("utf-8", "surrogatepass")
    except ValueError:
        raise invalid_argument(
            "The continuation token provided is incorrect", "continuation-token", token
        ) from None
