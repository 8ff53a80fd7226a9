"""What the store tells about buckets, objects, uploads and parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket. `versioning` is `""` (never on), `"Enabled"` or `"Suspended"`."""

    id: int
    name: str
    account: str
    region: str
    created: float
    versioning: str
    object_lock: bool


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One version of an object.

    `etag` has no quotes; `last_modified` is epoch seconds; `version_id` is `"null"` outside
    versioning. The bytes lie in `path` from `file_offset` on, or, when small, in the state
    database (`path` is None): use the store's `body`, `read` or `link`, which know.
    """

    id: int
    bucket: str
    key: str
    version_id: str
    size: int
    etag: str
    last_modified: float
    delete_marker: bool
    path: Path | None
    file: str | None
    file_offset: int
    attributes_json: bytes
    annotations_json: bytes | None

    @property
    def attributes(self) -> dict[str, Any]:
        """What was fixed when the object was written, in wire names.

        `ContentType`, `Metadata`, `StorageClass`, `Checksums` (algorithm to base64 text),
        `ChecksumType`, `Owner` (account id)...
        """
        decoded: dict[str, Any] = orjson.loads(self.attributes_json)
        return decoded

    @property
    def annotations(self) -> dict[str, Any]:
        """What may change afterwards: `Tags` (key to value), `Grants`, `Retention`, ..."""
        if self.annotations_json is None:
            return {}
        decoded: dict[str, Any] = orjson.loads(self.annotations_json)
        return decoded


@dataclass(slots=True)
class Blob:
    """Received bytes that no row refers to yet; they are gone unless a row takes them.

    `md5` is 32 hexadecimal digits; `checksums` maps an algorithm (`CRC32`, `SHA256`, ...) to
    base64 text. Either `content` holds the bytes or `file` names the stored file.
    """

    size: int
    md5: str
    checksums: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    file: str | None = None
    file_offset: int = 0


class PartEntry(NamedTuple):
    """An uploaded part."""

    number: int
    size: int
    etag: str
    modified: float
    file: str
    file_offset: int
    checksums: dict[str, str]


@dataclass(frozen=True, slots=True)
class UploadEntry:
    """A multipart upload under way."""

    upload_id: str
    bucket: str
    key: str
    initiated: float
    attributes: dict[str, Any]
    annotations: dict[str, Any] | None
    slot_file: str | None
    slot_size: int


class ListedPrefix(NamedTuple):
    """All keys that share a prefix up to and including the delimiter, rolled into one."""

    prefix: str
