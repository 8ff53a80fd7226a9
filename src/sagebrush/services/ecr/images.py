"""Images: manifests by digest, and the tags that point at them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.ecr.manifests import Manifest, parse_manifest
from sagebrush.services.ecr.records import Repository, find_repository, named
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context
from sagebrush.store.database import Row

_DEFAULT_RESULTS = 100
_NO_SCANNER = {"status": "FAILED", "description": "Sagebrush has no image scanner"}


def put_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Store a manifest whose layers are all here, and move a tag to it."""
    repository = find_repository(context, request)
    text, tag = request["imageManifest"], request.get("imageTag")
    manifest = parse_manifest(text, request.get("imageManifestMediaType"))
    if request.get("imageDigest", manifest.digest) != manifest.digest:
        raise ApiError(
            "ImageDigestDoesNotMatchException",
            f"The digest '{request['imageDigest']}' does not match the manifest's"
            f" '{manifest.digest}'",
        )
    _check_references(context, repository, manifest)
    _check_new(context, repository, manifest, tag)
    context.db.execute(
        "INSERT OR IGNORE INTO ecr_images VALUES (?, ?, ?, ?, ?, ?, NULL)",
        (
            repository.id,
            manifest.digest,
            text,
            manifest.media_type,
            manifest.size_bytes,
            context.now,
        ),
    )
    if tag is not None:
        context.db.execute(
            "INSERT OR REPLACE INTO ecr_tags VALUES (?, ?, ?)",
            (repository.id, tag, manifest.digest),
        )
    image_id = {"imageDigest": manifest.digest, "imageTag": tag}
    return {
        "image": named(repository)
        | {
            "imageId": image_id,
            "imageManifest": text,
            "imageManifestMediaType": manifest.media_type,
        }
    }


def batch_get_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer manifests; an image that is not there is reported, not an error."""
    repository = find_repository(context, request)
    images, failures = [], []
    accepted = request.get("acceptedMediaTypes")
    for image_id in request["imageIds"]:
        row, failure = _resolve(context, repository, image_id)
        if row is None or (accepted and row["media_type"] not in accepted):
            failures.append(failure or _failure(image_id, "ImageNotFound"))
            continue
        context.db.execute(
            "UPDATE ecr_images SET pulled = ? WHERE repository_id = ? AND digest = ?",
            (context.now, repository.id, row["digest"]),
        )
        resolved = {"imageDigest": row["digest"], "imageTag": image_id.get("imageTag")}
        images.append(
            named(repository)
            | {
                "imageId": resolved,
                "imageManifest": row["manifest"],
                "imageManifestMediaType": row["media_type"],
            }
        )
    return {"images": images, "failures": failures}


def batch_delete_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Remove images by digest; by tag, the tag, and the image with its last tag."""
    repository = find_repository(context, request)
    deleted, failures = [], []
    for image_id in request["imageIds"]:
        row, failure = _resolve(context, repository, image_id)
        if row is None:
            failures.append(failure)
            continue
        tags = _tags(context, repository, row["digest"])
        removed = tags if "imageDigest" in image_id else [image_id["imageTag"]]
        for tag in removed:
            context.db.execute(
                "DELETE FROM ecr_tags WHERE repository_id = ? AND tag = ?", (repository.id, tag)
            )
            deleted.append({"imageDigest": row["digest"], "imageTag": tag})
        if set(removed) == set(tags):
            context.db.execute(
                "DELETE FROM ecr_images WHERE repository_id = ? AND digest = ?",
                (repository.id, row["digest"]),
            )
        if not removed:
            deleted.append({"imageDigest": row["digest"]})
    return {"imageIds": deleted, "failures": failures}


def list_images(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of digests, each with each of its tags."""
    repository = find_repository(context, request)
    wanted = request.get("filter", {}).get("tagStatus", "ANY")
    pairs = context.db.all(
        "SELECT i.digest, t.tag FROM ecr_images i LEFT JOIN ecr_tags t"
        " ON t.repository_id = i.repository_id AND t.digest = i.digest"
        " WHERE i.repository_id = ? ORDER BY i.digest, t.tag",
        (repository.id,),
    )
    ids = [
        {"imageDigest": row["digest"], "imageTag": row["tag"]}
        for row in pairs
        if wanted == "ANY" or (wanted == "TAGGED") == (row["tag"] is not None)
    ]
    return _page(ids, request, "imageIds", lambda i: [i["imageDigest"], i["imageTag"] or ""])


def describe_images(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the named images, or a page of all by digest, with size, tags and times."""
    repository = find_repository(context, request)
    if "imageIds" in request:
        rows = [_required(context, repository, image_id) for image_id in request["imageIds"]]
        return {"imageDetails": [_detail(context, repository, row) for row in rows]}
    rows = context.db.all(
        "SELECT * FROM ecr_images WHERE repository_id = ? ORDER BY digest", (repository.id,)
    )
    wanted = request.get("filter", {}).get("tagStatus", "ANY")
    details = [_detail(context, repository, row) for row in rows]
    shown = [
        detail
        for detail in details
        if wanted == "ANY" or (wanted == "TAGGED") == bool(detail["imageTags"])
    ]
    return _page(shown, request, "imageDetails", lambda detail: [detail["imageDigest"]])


def _check_references(context: Context, repository: Repository, manifest: Manifest) -> None:
    """Refuse a manifest that names layers or images the repository does not have."""
    for table, digests, code, what in (
        ("ecr_layers", manifest.layers, "LayersNotFoundException", "Layers"),
        ("ecr_images", manifest.images, "ReferencedImagesNotFoundException", "Images"),
    ):
        missing = [
            digest
            for digest in digests
            if context.db.one(
                f"SELECT 1 FROM {table} WHERE repository_id = ? AND digest = ?",
                (repository.id, digest),
            )
            is None
        ]
        if missing:
            raise ApiError(
                code,
                f"{what} with digests '[{', '.join(missing)}]' required for pushing image into"
                f" repository with name '{repository.name}' in the registry with id"
                f" '{repository.account}' do not exist",
            )


def _check_new(
    context: Context, repository: Repository, manifest: Manifest, tag: str | None
) -> None:
    """Refuse what is there already, and a tag that must not move."""
    tags = _tags(context, repository, manifest.digest)
    known = context.db.one(
        "SELECT 1 FROM ecr_images WHERE repository_id = ? AND digest = ?",
        (repository.id, manifest.digest),
    )
    if known is not None and (tag is None or tag in tags):
        raise ApiError(
            "ImageAlreadyExistsException",
            f"Image with digest '{manifest.digest}' and tag '{tag or 'null'}' already exists in"
            f" the repository with name '{repository.name}' in registry with id"
            f" '{repository.account}'",
        )
    if tag is None or not _is_immutable(repository, tag):
        return
    row = context.db.one(
        "SELECT 1 FROM ecr_tags WHERE repository_id = ? AND tag = ?", (repository.id, tag)
    )
    if row is not None:
        raise ApiError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{repository.name}' repository and"
            " cannot be overwritten because the tag is immutable.",
        )


def _is_immutable(repository: Repository, tag: str) -> bool:
    mutability = repository.document["mutability"]
    excluded = any(
        fnmatchcase(tag, rule["filter"]) for rule in repository.document.get("exclusions") or []
    )
    return bool(mutability.startswith("IMMUTABLE")) != excluded


def _required(context: Context, repository: Repository, image_id: dict[str, str]) -> Row:
    row, _ = _resolve(context, repository, image_id)
    if row is None:
        digest, tag = image_id.get("imageDigest", "null"), image_id.get("imageTag", "null")
        raise ApiError(
            "ImageNotFoundException",
            f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist"
            f" within the repository with name '{repository.name}' in the registry with id"
            f" '{repository.account}'",
        )
    return row


def _resolve(
    context: Context, repository: Repository, image_id: dict[str, str]
) -> tuple[Row | None, dict[str, Any] | None]:
    """Return the image of a digest, a tag or both, or why there is none."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        return None, _failure(image_id, "MissingDigestAndTag")
    if tag is not None:
        row = context.db.one(
            "SELECT digest FROM ecr_tags WHERE repository_id = ? AND tag = ?",
            (repository.id, tag),
        )
        if row is None:
            return None, _failure(image_id, "ImageNotFound")
        if digest is not None and row["digest"] != digest:
            return None, _failure(image_id, "ImageTagDoesNotMatchDigest")
        digest = row["digest"]
    found = context.db.one(
        "SELECT * FROM ecr_images WHERE repository_id = ? AND digest = ?",
        (repository.id, digest),
    )
    return found, None if found else _failure(image_id, "ImageNotFound")


def _failure(image_id: dict[str, str], code: str) -> dict[str, Any]:
    reasons = {
        "ImageNotFound": "Requested image not found",
        "ImageTagDoesNotMatchDigest": "Tag does not match digest",
        "MissingDigestAndTag": "Invalid request parameters: both tag and digest cannot be null",
    }
    return {"imageId": image_id, "failureCode": code, "failureReason": reasons[code]}


def _tags(context: Context, repository: Repository, digest: str) -> list[str]:
    rows = context.db.all(
        "SELECT tag FROM ecr_tags WHERE repository_id = ? AND digest = ? ORDER BY tag",
        (repository.id, digest),
    )
    return [row["tag"] for row in rows]


def _detail(context: Context, repository: Repository, row: Row) -> dict[str, Any]:
    return named(repository) | {
        "imageDigest": row["digest"],
        "imageTags": _tags(context, repository, row["digest"]) or None,
        "imageSizeInBytes": row["size_bytes"],
        "imagePushedAt": row["pushed"],
        "imageScanStatus": _NO_SCANNER if repository.document["scanning"]["scanOnPush"] else None,
        "imageManifestMediaType": row["media_type"],
        "lastRecordedPullTime": row["pulled"],
        "imageStatus": "ACTIVE",
    }


def _page(
    items: list[Any],
    request: dict[str, Any],
    member: str,
    key: Callable[[dict[str, Any]], list[str]],
) -> dict[str, Any]:
    """Answer a page of items sorted by `key`; a token holds the last key shown."""
    limit = request.get("maxResults", _DEFAULT_RESULTS)
    if "nextToken" in request and items:
        after = decode_token(
            request["nextToken"], "InvalidParameterException", (str,) * len(key(items[0]))
        )
        items = [item for item in items if key(item) > after]
    return {
        member: items[:limit],
        "nextToken": encode_token(key(items[limit - 1])) if len(items) > limit else None,
    }
