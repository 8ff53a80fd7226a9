"""Layers, manifests and tags, through boto3."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
REPOSITORY = {"repositoryName": "team/app"}


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def upload(ecr: Any, data: bytes, parts: int = 1) -> str:
    upload_id = ecr.initiate_layer_upload(**REPOSITORY)["uploadId"]
    size = -(-len(data) // parts)
    for first in range(0, len(data), size):
        part = data[first : first + size]
        ecr.upload_layer_part(
            **REPOSITORY,
            uploadId=upload_id,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    answer = ecr.complete_layer_upload(
        **REPOSITORY, uploadId=upload_id, layerDigests=[digest_of(data)]
    )
    return str(answer["layerDigest"])


def manifest(config: bytes, *layers: bytes) -> str:
    def blob(data: bytes) -> dict[str, Any]:
        return {"digest": digest_of(data), "size": len(data)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER,
            "config": blob(config),
            "layers": [blob(layer) for layer in layers],
        }
    )


@pytest.fixture
def ecr(client: Any) -> Any:
    ecr = client("ecr")
    ecr.create_repository(**REPOSITORY)
    return ecr


@pytest.fixture
def pushed(ecr: Any) -> str:
    """Return a manifest that is in the repository with the tag v1."""
    for data in (b"{}", b"layer"):
        upload(ecr, data)
    text = manifest(b"{}", b"layer")
    ecr.put_image(**REPOSITORY, imageManifest=text, imageTag="v1")
    return text


def test_a_layer_in_parts(ecr: Any) -> None:
    data = bytes(range(256)) * 40
    digest = upload(ecr, data, parts=3)
    assert digest == digest_of(data)
    asked = [digest, digest_of(b"none"), "md5:x"]
    answer = ecr.batch_check_layer_availability(**REPOSITORY, layerDigests=asked)
    assert [layer["layerAvailability"] for layer in answer["layers"]] == [
        "AVAILABLE",
        "UNAVAILABLE",
    ]
    assert answer["layers"][0]["layerSize"] == len(data)
    assert answer["failures"][0]["failureCode"] == "InvalidLayerDigest"


def test_parts_and_digests_are_checked(ecr: Any, refusal: Any) -> None:
    upload_id = ecr.initiate_layer_upload(**REPOSITORY)["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"four"}
    given = REPOSITORY | {"uploadId": upload_id}
    gap = part | {"partFirstByte": 4, "partLastByte": 7}
    assert refusal(ecr.upload_layer_part, **given, **gap)[0] == "InvalidLayerPartException"
    empty = refusal(ecr.complete_layer_upload, **given, layerDigests=[digest_of(b"four")])
    assert empty[0] == "EmptyUploadException"
    ecr.upload_layer_part(**given, **part)
    wrong = refusal(ecr.complete_layer_upload, **given, layerDigests=[digest_of(b"five")])
    assert wrong[0] == "InvalidLayerException"
    ecr.complete_layer_upload(**given, layerDigests=[digest_of(b"four")])
    gone = refusal(ecr.upload_layer_part, **given, **part)
    assert gone[0] == "UploadNotFoundException"
    again = ecr.initiate_layer_upload(**REPOSITORY)["uploadId"]
    ecr.upload_layer_part(**REPOSITORY, uploadId=again, **part)
    known = refusal(
        ecr.complete_layer_upload,
        **REPOSITORY,
        uploadId=again,
        layerDigests=[digest_of(b"four")],
    )
    assert known[0] == "LayerAlreadyExistsException"


def test_an_image_needs_its_layers(ecr: Any, refusal: Any) -> None:
    text = manifest(b"{}", b"layer")
    code, message = refusal(ecr.put_image, **REPOSITORY, imageManifest=text, imageTag="v1")
    assert code == "LayersNotFoundException"
    assert digest_of(b"layer") in message
    for broken in (
        "{",
        "[]",
        '{"schemaVersion": 1}',
        manifest(b"{}").replace('"size": 2', '"x": 1'),
    ):
        code, _ = refusal(ecr.put_image, **REPOSITORY, imageManifest=broken)
        assert code == "InvalidParameterException"


def test_images_by_tag_and_digest(ecr: Any, pushed: str) -> None:
    digest = digest_of(pushed.encode())
    for image_id in ({"imageTag": "v1"}, {"imageDigest": digest}):
        (image,) = ecr.batch_get_image(**REPOSITORY, imageIds=[image_id])["images"]
        assert image["imageManifest"] == pushed
        assert image["imageId"]["imageDigest"] == digest
    (detail,) = ecr.describe_images(**REPOSITORY)["imageDetails"]
    assert (detail["imageTags"], detail["imageSizeInBytes"]) == (["v1"], 2 + 5)
    assert "lastRecordedPullTime" in detail
    missing = [{"imageTag": "v9"}, {"imageTag": "v1", "imageDigest": digest_of(b"x")}]
    failures = ecr.batch_get_image(**REPOSITORY, imageIds=missing)["failures"]
    assert [failure["failureCode"] for failure in failures] == [
        "ImageNotFound",
        "ImageTagDoesNotMatchDigest",
    ]


def test_tags_move_unless_immutable(ecr: Any, pushed: str, refusal: Any) -> None:
    again = refusal(ecr.put_image, **REPOSITORY, imageManifest=pushed, imageTag="v1")
    assert again[0] == "ImageAlreadyExistsException"
    other = manifest(b"{}", b"layer", b"layer")
    ecr.put_image(**REPOSITORY, imageManifest=other, imageTag="v1")
    ids = ecr.list_images(**REPOSITORY)["imageIds"]
    assert {(i["imageDigest"], i.get("imageTag")) for i in ids} == {
        (digest_of(other.encode()), "v1"),
        (digest_of(pushed.encode()), None),
    }
    ecr.put_image_tag_mutability(**REPOSITORY, imageTagMutability="IMMUTABLE")
    moved = refusal(ecr.put_image, **REPOSITORY, imageManifest=pushed, imageTag="v1")
    assert moved[0] == "ImageTagAlreadyExistsException"
    ecr.put_image_tag_mutability(
        **REPOSITORY,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "v*"}],
    )
    ecr.put_image(**REPOSITORY, imageManifest=pushed, imageTag="v1")


def test_list_pages_and_filters(ecr: Any, pushed: str) -> None:
    for tag in ("v2", "v3"):
        ecr.put_image(**REPOSITORY, imageManifest=pushed, imageTag=tag)
    ecr.put_image(**REPOSITORY, imageManifest=manifest(b"{}"))
    pages = ecr.get_paginator("list_images").paginate(
        **REPOSITORY, PaginationConfig={"PageSize": 1}
    )
    found = [i.get("imageTag") for page in pages for i in page["imageIds"]]
    assert sorted(found, key=str) == [None, "v1", "v2", "v3"]
    untagged = ecr.describe_images(**REPOSITORY, filter={"tagStatus": "UNTAGGED"})
    assert len(untagged["imageDetails"]) == 1


def test_an_image_leaves_with_its_last_tag(ecr: Any, pushed: str, refusal: Any) -> None:
    ecr.put_image(**REPOSITORY, imageManifest=pushed, imageTag="v2")
    ecr.batch_delete_image(**REPOSITORY, imageIds=[{"imageTag": "v1"}])
    (detail,) = ecr.describe_images(**REPOSITORY)["imageDetails"]
    assert detail["imageTags"] == ["v2"]
    answer = ecr.batch_delete_image(**REPOSITORY, imageIds=[{"imageTag": "v2"}, {"imageTag": "x"}])
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]
    assert ecr.describe_images(**REPOSITORY)["imageDetails"] == []
    gone = refusal(ecr.describe_images, **REPOSITORY, imageIds=[{"imageTag": "v2"}])
    assert gone[0] == "ImageNotFoundException"


def test_a_list_needs_its_images(ecr: Any, pushed: str, refusal: Any) -> None:
    def index(*digests: str) -> str:
        entries = [{"digest": digest, "size": 1} for digest in digests]
        return json.dumps({"schemaVersion": 2, "manifests": entries})

    text = index(digest_of(pushed.encode()))
    answer = ecr.put_image(**REPOSITORY, imageManifest=text, imageTag="all")
    assert answer["image"]["imageManifestMediaType"] == "application/vnd.oci.image.index.v1+json"
    missing = refusal(ecr.put_image, **REPOSITORY, imageManifest=index(digest_of(b"x")))
    assert missing[0] == "ReferencedImagesNotFoundException"
