"""Uploads in parts and copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.objects.checksums import checksum, composite, full_object

from .conftest import OTHER, S3, Stream

PART = b"p" * (5 * 1024 * 1024)
Complete = Callable[..., dict[str, Any]]


def test_parts_become_one_object(s3: S3, complete: Complete) -> None:
    answer = complete("key", PART, b"end", ContentType="text/csv", Metadata={"a": "b"})
    assert answer["ETag"].endswith('-2"')
    assert s3.get("key") == PART + b"end"
    assert s3.head("key")["ContentType"] == "text/csv"
    part = s3.head("key", PartNumber=2)
    assert (part["ContentLength"], part["PartsCount"]) == (3, 2)
    assert s3.get("key", PartNumber=2) == b"end"
    assert s3.context.status == 206
    s3.refused("InvalidPartNumber", "GetObject", Bucket="bucket", Key="key", PartNumber=3)


def test_completing_again_gives_the_same_answer(s3: S3) -> None:
    base = {"Bucket": "bucket", "Key": "key"}
    upload_id = s3("CreateMultipartUpload", **base)["UploadId"]
    part = s3("UploadPart", **base, UploadId=upload_id, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    first = s3("CompleteMultipartUpload", **base, UploadId=upload_id, MultipartUpload=parts)
    again = s3("CompleteMultipartUpload", **base, UploadId=upload_id, MultipartUpload=parts)
    assert first == again
    s3.refused("NoSuchUpload", "ListParts", **base, UploadId=upload_id)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("MalformedXML", []),
        ("InvalidPart", [(1, '"x"')]),
        ("InvalidPart", [(3, None)]),
        ("InvalidPartOrder", [(2, None), (1, None)]),
        ("EntityTooSmall", [(1, None), (2, None)]),
    ],
)
def test_completion_refuses(s3: S3, code: str, named: list[tuple[int, str | None]]) -> None:
    base = {"Bucket": "bucket", "Key": "key"}
    base["UploadId"] = s3("CreateMultipartUpload", **base)["UploadId"]
    etags = {
        number: s3("UploadPart", **base, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)
    }
    parts = [
        {"PartNumber": number, "ETag": etag or etags.get(number, "")} for number, etag in named
    ]
    s3.refused(code, "CompleteMultipartUpload", **base, MultipartUpload={"Parts": parts})
    s3.refused("NoSuchKey", "HeadObject", Bucket="bucket", Key="key")


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("SHA256", "COMPOSITE"), ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT")],
)
def test_checksums_of_parts(s3: S3, complete: Complete, algorithm: str, kind: str) -> None:
    complete("key", PART, b"end", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    values = [checksum(algorithm, PART), checksum(algorithm, b"end")]
    if kind == "COMPOSITE":
        expected = composite(algorithm, values)
    else:
        expected = full_object(algorithm, [(values[0], len(PART)), (values[1], 3)])
        assert expected == checksum(algorithm, PART + b"end")
    head = s3.head("key", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (expected, kind)
    attributes = s3(
        "GetObjectAttributes",
        Bucket="bucket",
        Key="key",
        ObjectAttributes=["ObjectParts", "ObjectSize", "Checksum"],
    )
    assert attributes["ObjectSize"] == len(PART) + 3
    assert [p[f"Checksum{algorithm}"] for p in attributes["ObjectParts"]["Parts"]] == values


def test_part_copy_of_a_range(s3: S3) -> None:
    s3.put("source", b"0123456789" * 2000)
    base = {"Bucket": "bucket", "Key": "key"}
    base["UploadId"] = s3("CreateMultipartUpload", **base)["UploadId"]
    copied = s3(
        "UploadPartCopy",
        **base,
        PartNumber=1,
        CopySource="bucket/source",
        CopySourceRange="bytes=10-19999",
    )["CopyPartResult"]
    s3("DeleteObject", Bucket="bucket", Key="source")
    s3.platform.objects.remove_released()
    parts = {"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]}
    s3("CompleteMultipartUpload", **base, MultipartUpload=parts)
    assert s3.get("key") == b"0123456789" * 1999
    s3.put("source", b"12345")
    s3.refused("NoSuchUpload", "UploadPartCopy", **base, PartNumber=1, CopySource="bucket/source")


def test_aborted_upload(s3: S3) -> None:
    base = {"Bucket": "bucket", "Key": "key"}
    base["UploadId"] = s3("CreateMultipartUpload", **base)["UploadId"]
    s3("UploadPart", **base, PartNumber=7, Body=Stream(b"x"))
    listed = s3("ListParts", **base)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(7, 1)]
    assert [u["Key"] for u in s3("ListMultipartUploads", Bucket="bucket")["Uploads"]] == ["key"]
    s3("AbortMultipartUpload", **base)
    s3.refused("NoSuchUpload", "UploadPart", **base, PartNumber=1, Body=b"x")
    assert s3("ListMultipartUploads", Bucket="bucket")["Uploads"] == []


def test_parts_list_in_pages(s3: S3) -> None:
    base = {"Bucket": "bucket", "Key": "key"}
    base["UploadId"] = s3("CreateMultipartUpload", **base)["UploadId"]
    for number in (5, 2, 9):
        s3("UploadPart", **base, PartNumber=number, Body=b"x")
    page = s3("ListParts", **base, MaxParts=2)
    assert [part["PartNumber"] for part in page["Parts"]] == [2, 5]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 5)
    rest = s3("ListParts", **base, PartNumberMarker=5)
    assert [part["PartNumber"] for part in rest["Parts"]] == [9]


def test_uploads_roll_into_prefixes(s3: S3) -> None:
    for key in ("a/1", "a/2", "b", "c/1"):
        s3("CreateMultipartUpload", Bucket="bucket", Key=key)
    page = s3("ListMultipartUploads", Bucket="bucket", Delimiter="/", MaxUploads=2)
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/"]
    assert [u["Key"] for u in page["Uploads"]] == ["b"]
    rest = s3(
        "ListMultipartUploads",
        Bucket="bucket",
        Delimiter="/",
        KeyMarker=page["NextKeyMarker"],
        UploadIdMarker=page["NextUploadIdMarker"],
    )
    assert ([u["Key"] for u in rest["Uploads"]], rest["IsTruncated"]) == ([], False)
    assert [p["Prefix"] for p in rest["CommonPrefixes"]] == ["c/"]


@pytest.mark.parametrize("data", [b"small", b"big" * 20_000])
def test_copy_keeps_or_replaces_metadata(s3: S3, data: bytes) -> None:
    s3.put("a key", data, Metadata={"a": "b"}, ContentType="text/csv", Tagging="t=1")
    answer = s3("CopyObject", Bucket="bucket", Key="copy", CopySource="/bucket/a%20key")
    assert answer["CopyObjectResult"]["ETag"] == s3.head("a key")["ETag"]
    head = s3.head("copy")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "b"}, "text/csv")
    assert head["TagCount"] == 1
    s3(
        "CopyObject",
        Bucket="bucket",
        Key="a key",
        CopySource="bucket/a key",
        MetadataDirective="REPLACE",
        Metadata={"new": "1"},
    )
    assert s3.head("a key")["Metadata"] == {"new": "1"}
    s3("DeleteObject", Bucket="bucket", Key="a key")
    s3.platform.objects.remove_released()
    assert s3.get("copy") == data


def test_copy_refuses(s3: S3) -> None:
    etag = s3.put("key")["ETag"]
    base = {"Bucket": "bucket", "Key": "key"}
    s3.refused("InvalidRequest", "CopyObject", **base, CopySource="bucket/key")
    s3.refused("NoSuchKey", "CopyObject", **base, CopySource="bucket/none")
    s3.refused("NoSuchBucket", "CopyObject", **base, CopySource="none/key")
    s3.refused("InvalidArgument", "CopyObject", **base, CopySource="key")
    s3.refused("AccessDenied", "CopyObject", **base, CopySource="bucket/key", account=OTHER)
    s3.refused(
        "PreconditionFailed",
        "CopyObject",
        Bucket="bucket",
        Key="copy",
        CopySource="bucket/key",
        CopySourceIfNoneMatch=etag,
    )


def test_copy_of_parts_has_a_plain_etag(s3: S3, complete: Complete) -> None:
    complete("key", PART, b"end")
    s3("CopyObject", Bucket="bucket", Key="copy", CopySource="bucket/key")
    plain = s3.put("plain", PART + b"end")["ETag"]
    assert s3.head("copy")["ETag"] == plain
    assert s3.get("copy") == PART + b"end"
