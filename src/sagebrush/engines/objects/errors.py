"""What the object store refuses. Services turn these into AWS's errors."""

from __future__ import annotations

from sagebrush.base.errors import SagebrushError


class ObjectStoreError(SagebrushError):
    """Root of the store's refusals."""


class BucketNotFound(ObjectStoreError):
    """No bucket has this name."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} does not exist")
        self.bucket = bucket


class BucketExists(ObjectStoreError):
    """A bucket of this name exists already; `account` owns it."""

    def __init__(self, bucket: str, account: str) -> None:
        super().__init__(f"bucket {bucket!r} exists already")
        self.bucket = bucket
        self.account = account


class BucketNotEmpty(ObjectStoreError):
    """The bucket still holds versions or delete markers."""

    def __init__(self, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} is not empty")
        self.bucket = bucket


class ObjectNotFound(ObjectStoreError):
    """The key has no current version (or the named version does not exist)."""

    def __init__(self, bucket: str, key: str, version_id: str | None = None) -> None:
        version = f" in version {version_id}" if version_id else ""
        super().__init__(f"s3://{bucket}/{key} does not exist{version}")
        self.bucket = bucket
        self.key = key
        self.version_id = version_id


class UploadNotFound(ObjectStoreError):
    """The multipart upload was never begun, or is completed or aborted."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"multipart upload {upload_id!r} does not exist")
        self.upload_id = upload_id


class InvalidPart(ObjectStoreError):
    """A part that a completion names was not uploaded, or has another ETag or checksum."""

    def __init__(self, upload_id: str, number: int, etag: str) -> None:
        super().__init__(f"part {number} of upload {upload_id!r} does not match")
        self.upload_id = upload_id
        self.number = number
        self.etag = etag


class IncompleteBody(ObjectStoreError):
    """The client sent fewer bytes than it declared."""

    def __init__(self, declared: int, received: int) -> None:
        super().__init__(f"{declared} bytes were declared and {received} received")
        self.declared = declared
        self.received = received


class InvalidLocation(ObjectStoreError):
    """A text that names no object or prefix in S3."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not an S3 location: {text!r}")
        self.text = text
