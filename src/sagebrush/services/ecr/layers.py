"""Layers: uploading them in parts, and asking for them."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

from sagebrush.base.errors import ApiError
from sagebrush.services.ecr import layer_files
from sagebrush.services.ecr.records import Repository, find_repository, named
from sagebrush.services.platform import Context
from sagebrush.store.database import Row

_PART_BYTES = 10 * 1024 * 1024
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def batch_check_layer_availability(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer which layers a repository has."""
    repository = find_repository(context, request)
    layers, failures = [], []
    for digest in request["layerDigests"]:
        if not _DIGEST.fullmatch(digest):
            failures.append(
                {
                    "layerDigest": digest,
                    "failureCode": "InvalidLayerDigest",
                    "failureReason": "The layer digest is not valid",
                }
            )
            continue
        row = _layer(context, repository, digest)
        layers.append(
            {
                "layerDigest": digest,
                "layerAvailability": "AVAILABLE" if row else "UNAVAILABLE",
                "layerSize": row["size_bytes"] if row else None,
            }
        )
    return {"layers": layers, "failures": failures}


def initiate_layer_upload(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Begin an upload; answer its id and the size of parts it likes."""
    repository = find_repository(context, request)
    upload_id = str(uuid4())
    context.db.execute(
        "INSERT INTO ecr_uploads VALUES (?, ?, 0, ?)", (upload_id, repository.id, context.now)
    )
    return {"uploadId": upload_id, "partSize": _PART_BYTES}


async def upload_layer_part(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Append a part to an upload; parts come in order."""
    repository, upload = _upload(context, request)
    data, first, last = request["layerPartBlob"], request["partFirstByte"], request["partLastByte"]
    received = upload["received_bytes"]
    if first != received or last - first + 1 != len(data):
        raise ApiError(
            "InvalidLayerPartException",
            f"The layer part of bytes {first} to {last} is not valid; {received} bytes have been"
            " received.",
            registryId=repository.account,
            repositoryName=repository.name,
            uploadId=upload["id"],
            lastValidByteReceived=max(received - 1, 0),
        )
    path = layer_files.upload_path(context.platform, upload["id"])
    await asyncio.to_thread(layer_files.write_part, path, first, data)
    with context.db.transaction():
        context.db.execute(
            "UPDATE ecr_uploads SET received_bytes = ? WHERE id = ? AND received_bytes = ?",
            (last + 1, upload["id"], received),
        )
    return named(repository) | {"uploadId": upload["id"], "lastByteReceived": last}


async def complete_layer_upload(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Check an upload against its digest and keep it as a layer."""
    repository, upload = _upload(context, request)
    if upload["received_bytes"] == 0:
        raise ApiError("EmptyUploadException", "The layer upload has no parts.")
    path = layer_files.upload_path(context.platform, upload["id"])
    digest = await asyncio.to_thread(layer_files.digest_of, path)
    if digest not in request["layerDigests"]:
        raise ApiError(
            "InvalidLayerException",
            f"The layer's digest {digest} is none of {request['layerDigests']}.",
        )
    if _layer(context, repository, digest) is not None:
        raise ApiError(
            "LayerAlreadyExistsException",
            f"Layer with digest '{digest}' already exists in the repository with name"
            f" '{repository.name}' in registry with id '{repository.account}'",
        )
    await asyncio.to_thread(layer_files.sync, path)
    # Nothing is awaited from here on, so that the sweep never sees the file without its row.
    with context.db.transaction():
        path.rename(layer_files.layer_path(context.platform, digest))
        context.db.execute(
            "INSERT OR IGNORE INTO ecr_layers VALUES (?, ?, ?)",
            (repository.id, digest, upload["received_bytes"]),
        )
        context.db.execute("DELETE FROM ecr_uploads WHERE id = ?", (upload["id"],))
    return named(repository) | {"uploadId": upload["id"], "layerDigest": digest}


def _upload(context: Context, request: dict[str, Any]) -> tuple[Repository, Row]:
    repository = find_repository(context, request)
    row = context.db.one(
        "SELECT * FROM ecr_uploads WHERE id = ? AND repository_id = ?",
        (request["uploadId"], repository.id),
    )
    if row is None:
        raise ApiError(
            "UploadNotFoundException",
            f"The upload with id '{request['uploadId']}' does not exist in the repository with"
            f" name '{repository.name}' in the registry with id '{repository.account}'",
        )
    return repository, row


def _layer(context: Context, repository: Repository, digest: str) -> Row | None:
    return context.db.one(
        "SELECT * FROM ecr_layers WHERE repository_id = ? AND digest = ?", (repository.id, digest)
    )
