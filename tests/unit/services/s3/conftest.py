"""S3's handlers without sockets: the engines they need, and a caller of any account."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.base.errors import ApiError
from sagebrush.base.settings import Settings
from sagebrush.base.streams import FileRange
from sagebrush.engines.identity.records import Identity
from sagebrush.engines.identity.store import IdentityStore
from sagebrush.engines.objects import ObjectStore
from sagebrush.gateway.registry import Registry
from sagebrush.services.platform import Context, Platform
from sagebrush.services.s3.service import SERVICE
from sagebrush.store.database import Database

MAIN, OTHER = "111111111111", "222222222222"
ANONYMOUS = ""


class Stream:
    """A body that arrives in pieces, with trailers at its end."""

    def __init__(self, data: bytes, *, piece: int = 100_000, **trailers: str) -> None:
        self.length: int | None = len(data)
        self.trailers: dict[str, str] = {}
        self._data = data
        self._piece = piece
        self._trailers = {name.replace("_", "-"): value for name, value in trailers.items()}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), self._piece):
            yield self._data[start : start + self._piece]
        self.trailers.update(self._trailers)


class S3:
    """Calls S3's operations as an account; `calls.context` is that of the last call."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        db = Database(folder / "state.db")
        unused: Any = None
        self.platform = Platform(
            settings=Settings(data_dir=folder),
            clock=self.clock,
            db=db,
            objects=ObjectStore(db, folder / "objects", self.clock),
            logs=unused,
            metrics=unused,
            alarms=unused,
            identity=IdentityStore(db, self.clock),
            fleets=unused,
            supervisor=unused,
            injection=unused,
        )
        assert SERVICE.migrations is not None
        db.migrate("services.s3", SERVICE.migrations)
        self._registry = Registry()
        self._runner = asyncio.Runner()
        self.context: Context

    def __call__(
        self, operation: str, *, account: str = MAIN, origin: str | None = None, **request: Any
    ) -> dict[str, Any]:
        handler = self._registry.handler("s3", operation)
        assert handler is not None, operation
        self.context = self._context(operation, account, origin)
        if inspect.iscoroutinefunction(handler):
            return dict(self._runner.run(handler(self.context, request)))
        with self.platform.db.transaction():
            return dict(handler(self.context, request) or {})  # type: ignore[arg-type]

    def refused(self, code: str, operation: str, **request: Any) -> ApiError:
        """Return the error of a call that must fail with `code`."""
        with pytest.raises(ApiError) as caught:
            self(operation, **request)
        assert caught.value.code == code, caught.value
        return caught.value

    def put(self, key: str, data: bytes = b"data", **request: Any) -> dict[str, Any]:
        return self("PutObject", **{"Bucket": "bucket", "Key": key, "Body": data} | request)

    def get(self, key: str, **request: Any) -> bytes:
        """Return the bytes that GetObject answers."""
        body = self("GetObject", **{"Bucket": "bucket", "Key": key} | request)["Body"]
        if isinstance(body, FileRange):
            with body.path.open("rb") as stream:
                stream.seek(body.offset)
                return stream.read(body.length)
        return bytes(body)

    def head(self, key: str, **request: Any) -> dict[str, Any]:
        return self("HeadObject", **{"Bucket": "bucket", "Key": key} | request)

    def version(self, status: str) -> None:
        self("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": status})

    def _context(self, operation: str, account: str, origin: str | None) -> Context:
        if account == ANONYMOUS:
            principal = Identity("", "", "", "Anonymous", MAIN)
        else:
            arn = f"arn:aws:iam::{account}:root"
            principal = Identity(arn, account, account, "Root", account)
        return Context(
            self.platform,
            "s3",
            operation,
            principal.account,
            "us-east-1",
            principal,
            "id",
            self.clock.now(),
            "http://127.0.0.1",
            origin=origin,
        )

    def close(self) -> None:
        self.platform.objects.close()
        self.platform.db.close()
        self._runner.close()


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3]:
    """S3 with a bucket named `bucket` of the main account."""
    made = S3(tmp_path)
    made("CreateBucket", Bucket="bucket")
    yield made
    made.close()


@pytest.fixture
def complete(s3: S3) -> Callable[..., dict[str, Any]]:
    """A function that uploads parts and completes the upload."""

    def run(key: str, *parts: bytes, **request: Any) -> dict[str, Any]:
        base = {"Bucket": "bucket", "Key": key}
        upload_id = s3("CreateMultipartUpload", **base | request)["UploadId"]
        named = []
        for number, data in enumerate(parts, 1):
            part = s3(
                "UploadPart", **base, UploadId=upload_id, PartNumber=number, Body=Stream(data)
            )
            named.append({"PartNumber": number, "ETag": part["ETag"]})
        return s3(
            "CompleteMultipartUpload",
            **base,
            UploadId=upload_id,
            MultipartUpload={"Parts": named},
        )

    return run
