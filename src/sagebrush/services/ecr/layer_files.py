"""Layers as files: parts appended to an upload, finished ones named by their digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sagebrush.services.platform import Platform


def upload_path(platform: Platform, upload_id: str) -> Path:
    """Return the file of an upload in progress."""
    return _folder(platform, "uploads") / upload_id


def layer_path(platform: Platform, digest: str) -> Path:
    """Return the file of a finished layer."""
    return _folder(platform, "layers") / digest.removeprefix("sha256:")


def write_part(path: Path, offset: int, data: bytes) -> None:
    """Write a part at its place; what an interrupted request left behind is cut off."""
    with path.open("r+b" if path.exists() else "xb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Return when a file's bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def remove_unreferenced(platform: Platform) -> None:
    """Remove files that no row refers to any more."""
    for kind, sql in (
        ("layers", "SELECT 1 FROM ecr_layers WHERE digest = 'sha256:' || ?"),
        ("uploads", "SELECT 1 FROM ecr_uploads WHERE id = ?"),
    ):
        for path in _folder(platform, kind).iterdir():
            if platform.db.one(sql, (path.name,)) is None:
                path.unlink(missing_ok=True)


def _folder(platform: Platform, kind: str) -> Path:
    folder = platform.settings.data_dir / "ecr" / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder
