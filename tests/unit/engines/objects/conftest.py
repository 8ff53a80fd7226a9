"""A store in a fresh folder, and a runner for its coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.objects import BucketRecord, ObjectEntry, ObjectStore
from sagebrush.store.database import Database

T = TypeVar("T")
ACCOUNT, REGION = "111111111111", "us-east-1"


class Chunks:
    """A body of the given chunks; `length` may lie."""

    def __init__(self, *chunks: bytes, length: int | None = None) -> None:
        self.length = length
        self.trailers: dict[str, str] = {}
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Bench:
    """An object store under test."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.db = Database(folder / "state.db")
        self.store = ObjectStore(self.db, folder / "objects", self.clock, durable)
        self._runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def create(self, name: str = "bucket", versioning: str = "") -> BucketRecord:
        self.store.buckets.create(ACCOUNT, REGION, name, self.clock.now())
        if versioning:
            self.store.buckets.set_versioning(name, versioning)
        return self.store.buckets.get(name)

    def put(self, key: str, data: bytes = b"", bucket: str = "bucket") -> ObjectEntry:
        return self.run(self.store.put_bytes(ACCOUNT, REGION, bucket, key, data))

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "objects").rglob("*") if path.is_file()]

    def close(self) -> None:
        self.store.close()
        self.db.close()
        self._runner.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()
