"""Objects of bytes under keys in buckets: what S3 serves and SageMaker reads and writes."""

from __future__ import annotations

from sagebrush.engines.objects.entries import (
    Blob,
    BucketRecord,
    ListedPrefix,
    ObjectEntry,
    PartEntry,
    UploadEntry,
)
from sagebrush.engines.objects.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    IncompleteBody,
    InvalidLocation,
    InvalidPart,
    ObjectNotFound,
    ObjectStoreError,
    UploadNotFound,
)
from sagebrush.engines.objects.locations import parse_s3_uri
from sagebrush.engines.objects.provided import Provided
from sagebrush.engines.objects.store import BytesStream, ObjectStore

__all__ = [
    "Blob",
    "BucketExists",
    "BucketNotEmpty",
    "BucketNotFound",
    "BucketRecord",
    "BytesStream",
    "IncompleteBody",
    "InvalidLocation",
    "InvalidPart",
    "ListedPrefix",
    "ObjectEntry",
    "ObjectNotFound",
    "ObjectStore",
    "ObjectStoreError",
    "PartEntry",
    "Provided",
    "UploadEntry",
    "UploadNotFound",
    "parse_s3_uri",
]
