"""The models on an instance's storage volume: fetched once, kept while there is room."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import ObjectStoreError, parse_s3_uri
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.model_data import ModelDataError, lay_out_model


def name_of_model(target: str) -> str:
    """Return the name of a model in its container, given what requests call it."""
    return hashlib.sha256(target.lstrip("/").encode()).hexdigest()[:32]


class Storage:
    """The folder of one instance's models; `limit_bytes` is the size of its volume."""

    def __init__(self, platform: Platform, folder: Path, prefix: str, limit_bytes: int) -> None:
        self._platform = platform
        self._folder = folder
        self._prefix = prefix
        self._limit_bytes = limit_bytes
        # What lies there, the least recently used first; unknown until somebody asks.
        self._sizes: dict[str, int] | None = None

    def location(self, target: str) -> str:
        """Return the S3 URI of a model."""
        return f"{self._prefix.rstrip('/')}/{target.lstrip('/')}"

    async def fetch(self, target: str, in_use: Collection[str]) -> bool:
        """Have a model on the volume; False when it was there already.

        Models that are not `in_use` go when there is no room for it.

        Raises:
            ApiError: ValidationError when there is no such model in S3, or it is no archive.
            OSError: it cannot be written.
        """
        name = name_of_model(target)
        sizes = await self._known()
        if name in sizes:
            sizes[name] = sizes.pop(name)
            return False
        destination = self._folder / name / "model"
        self._require(target)
        try:
            await self._lay_out(target, destination)
        except OSError:
            # The disk may be full though the volume is not.
            for other in [each for each in sizes if each not in in_use]:
                await self.remove(other)
            await self._lay_out(target, destination)
        sizes[name] = await asyncio.to_thread(_size_bytes, destination)
        await self._make_room({name, *in_use})
        return True

    async def remove(self, name: str) -> None:
        """Remove a model from the volume."""
        (await self._known()).pop(name, None)
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)

    async def _lay_out(self, target: str, destination: Path) -> None:
        container = {"ModelDataUrl": self.location(target)}
        try:
            await lay_out_model(self._platform, container, destination)
        except ModelDataError as error:
            await self.remove(destination.parent.name)
            raise ApiError("ValidationError", str(error)) from None

    def _require(self, target: str) -> None:
        """Raise ApiError, in AWS's words, unless the model is in S3."""
        bucket, key = parse_s3_uri(self.location(target))
        try:
            self._platform.objects.get(bucket, key)
        except ObjectStoreError:
            raise ApiError(
                "ValidationError",
                f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that"
                " there is an object located at the URL and that the role passed to CreateModel has"
                " permissions to download the model.",
            ) from None

    async def _make_room(self, kept: Collection[str]) -> None:
        sizes = await self._known()
        for name in [each for each in sizes if each not in kept]:
            if sum(sizes.values()) <= self._limit_bytes:
                return
            await self.remove(name)

    async def _known(self) -> dict[str, int]:
        if self._sizes is None:
            found = await asyncio.to_thread(_sizes_in, self._folder)
            if self._sizes is None:
                self._sizes = found
        return self._sizes


def _sizes_in(folder: Path) -> dict[str, int]:
    """Return the sizes of whole models that an earlier server left, by name."""
    if not folder.is_dir():
        return {}
    return {
        entry.name: _size_bytes(entry / "model")
        for entry in folder.iterdir()
        if (entry / "model").is_dir()
    }


def _size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
