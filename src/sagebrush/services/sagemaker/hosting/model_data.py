"""A model's artefact out of S3 onto disk, whole or not at all."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.objects import ObjectEntry, ObjectStoreError, parse_s3_uri
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.containers import is_uncompressed, model_data_location

_READ_BYTES = 1 << 20


class ModelDataError(SagebrushError):
    """A model's artefact cannot be laid out; the message becomes the endpoint's FailureReason."""


async def lay_out_model(platform: Platform, container: dict[str, Any], destination: Path) -> None:
    """Put a container's artefact into `destination`, whole or not at all.

    A folder that is there already is taken as it is: only a complete one gets its name.

    Raises:
        ModelDataError: the artefact is missing, no gzip tar, has symbolic links, or would escape
            its folder.
    """
    if destination.exists():
        return
    partial = destination.with_name(destination.name + ".part")
    await asyncio.to_thread(_empty, partial)
    location = model_data_location(container)
    if location is not None:
        try:
            await _fetch(platform, container, location, partial)
        except (SagebrushError, OSError):
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
            raise
    partial.replace(destination)


async def _fetch(
    platform: Platform, container: dict[str, Any], location: str, folder: Path
) -> None:
    try:
        if is_uncompressed(container):
            await _link_prefix(platform, location, folder)
        else:
            archive = _linked_archive(platform, location, folder)
            await asyncio.to_thread(_extract, archive, folder, location)
    except ObjectStoreError:
        raise ModelDataError(
            f'Failed to download model data from URL: "{location}". Please ensure that there is an'
            " object located at the URL."
        ) from None
    if platform.settings.durable:
        await asyncio.to_thread(_synchronise, folder)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _linked_archive(platform: Platform, location: str, folder: Path) -> Path:
    """Return the archive as a file beside `folder`."""
    bucket, key = parse_s3_uri(location)
    archive = folder.with_name(folder.name + ".tar.gz")
    archive.unlink(missing_ok=True)
    platform.objects.link(platform.objects.get(bucket, key), archive)
    return archive


async def _link_prefix(platform: Platform, location: str, folder: Path) -> None:
    """Put every object below a prefix into `folder`."""
    bucket, prefix = parse_s3_uri(location)
    top = folder.resolve()
    for entry in list(platform.objects.list(bucket, prefix)):
        if not isinstance(entry, ObjectEntry) or entry.key.endswith("/"):
            continue
        target = (top / entry.key[len(prefix) :].lstrip("/")).resolve()
        if top not in target.parents:
            raise ModelDataError(f"{entry.key} would lie outside of the model's folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        platform.objects.link(entry, target)
        await asyncio.sleep(0)


def _extract(archive: Path, folder: Path, location: str) -> None:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            tar.extractall(folder, filter=_checked)  # noqa: S202 - stricter than "data"
            # The checksum stands at the very end, behind what makes up the members.
            while stream.read(_READ_BYTES):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ModelDataError(
            f'Failed to extract model data archive from URL "{location}": {error}. It must be a'
            " gzip compressed tar archive without symbolic links, whose members stay below its top"
            " folder."
        ) from None
    finally:
        archive.unlink()


def _checked(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Return a member that may be extracted.

    Raises:
        tarfile.TarError: it is a symbolic link (deploy-model-troubleshoot.md: such a model does
            not start), or has an absolute name, a link out of the folder, or is a device file.
    """
    if member.issym():
        raise tarfile.TarError(f"{member.name!r} is a symbolic link")
    return tarfile.data_filter(member, folder)


def _synchronise(folder: Path) -> None:
    """Have everything in `folder` on the disk."""
    for root, _, names in os.walk(folder):
        for path in (Path(root), *(Path(root, name) for name in names)):
            if not path.is_symlink():
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
