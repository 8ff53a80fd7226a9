"""Put, get, head: bytes, ranges, conditions, checksums."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import pytest

from sagebrush.engines.objects.checksums import checksum

from .conftest import S3, Stream

BIG = bytes(range(256)) * 200


@pytest.mark.parametrize("data", [b"", b"small", BIG])
def test_put_then_get(s3: S3, data: bytes) -> None:
    answer = s3.put("key", data, ContentType="text/csv", Metadata={"a": "b"})
    assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.get("key") == data
    head = s3.head("key")
    assert (head["ContentLength"], head["ContentType"]) == (len(data), "text/csv")
    assert head["Metadata"] == {"a": "b"}
    assert head["VersionId"] is None


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-4", BIG[:5], f"bytes 0-4/{len(BIG)}"),
        ("bytes=10-", BIG[10:], f"bytes 10-{len(BIG) - 1}/{len(BIG)}"),
        ("bytes=-7", BIG[-7:], f"bytes {len(BIG) - 7}-{len(BIG) - 1}/{len(BIG)}"),
        (f"bytes=5-{len(BIG) * 2}", BIG[5:], f"bytes 5-{len(BIG) - 1}/{len(BIG)}"),
        ("bytes=0-1,4-5", BIG, None),
        ("lines=1-2", BIG, None),
        ("bytes=9-2", BIG, None),
        (f"bytes={'9' * 5000}-", BIG, None),
    ],
)
def test_range(s3: S3, header: str, expected: bytes, content_range: str | None) -> None:
    s3.put("key", BIG)
    assert s3.get("key", Range=header) == expected
    assert s3.context.status == (206 if content_range else None)
    head = s3.head("key", Range=header)
    assert head.get("ContentRange") == content_range
    assert head["ContentLength"] == len(expected)


@pytest.mark.parametrize("header", ["bytes=4-", "bytes=-0"])
def test_range_outside_the_object(s3: S3, header: str) -> None:
    s3.put("key", b"data")
    error = s3.refused("InvalidRange", "GetObject", Bucket="bucket", Key="key", Range=header)
    assert (error.status, error.members["ActualObjectSize"]) == (416, 4)


def test_missing_key_and_bucket(s3: S3) -> None:
    error = s3.refused("NoSuchKey", "GetObject", Bucket="bucket", Key="none")
    assert (error.status, error.members) == (404, {"Key": "none"})
    error = s3.refused("NoSuchBucket", "HeadObject", Bucket="other", Key="none")
    assert (error.status, error.members) == (404, {"BucketName": "other"})


def test_expected_bucket_owner(s3: S3) -> None:
    s3.put("key", ExpectedBucketOwner="111111111111")
    s3.refused(
        "AccessDenied", "GetObject", Bucket="bucket", Key="key", ExpectedBucketOwner="222222222222"
    )


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"IfMatch": '"{etag}"'}, None),
        ({"IfMatch": "other"}, "PreconditionFailed"),
        ({"IfNoneMatch": "{etag}"}, 304),
        ({"IfNoneMatch": "other"}, None),
        ({"IfModifiedSince": 1_699_999_999.0}, None),
        ({"IfModifiedSince": 1_700_000_000.0}, 304),
        ({"IfUnmodifiedSince": 1_699_999_999.0}, "PreconditionFailed"),
        ({"IfMatch": "{etag}", "IfUnmodifiedSince": 1.0}, None),
    ],
)
def test_conditional_read(s3: S3, condition: dict[str, Any], outcome: object) -> None:
    etag = s3.put("key")["ETag"].strip('"')
    filled = {
        name: value.format(etag=etag) if isinstance(value, str) else value
        for name, value in condition.items()
    }
    if isinstance(outcome, str):
        error = s3.refused(outcome, "GetObject", Bucket="bucket", Key="key", **filled)
        assert error.status == 412
        return
    data = s3.get("key", **filled)
    assert s3.context.status == outcome
    assert data == (b"" if outcome == 304 else b"data")


def test_conditional_write(s3: S3) -> None:
    etag = s3.put("key", IfNoneMatch="*")["ETag"]
    s3.refused("PreconditionFailed", "PutObject", Bucket="bucket", Key="key", IfNoneMatch="*")
    s3.refused("PreconditionFailed", "PutObject", Bucket="bucket", Key="key", IfMatch='"x"')
    s3.refused("NoSuchKey", "PutObject", Bucket="bucket", Key="none", IfMatch=etag)
    s3.put("key", b"new", IfMatch=etag)
    assert s3.get("key") == b"new"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksum_as_header_and_as_trailer(s3: S3, algorithm: str) -> None:
    value = checksum(algorithm, BIG)
    member = f"Checksum{algorithm}"
    s3.put("header", BIG, **{member: value})
    trailer = {f"x_amz_checksum_{algorithm.lower()}": value}
    s3.put("trailer", Stream(BIG, **trailer), ChecksumAlgorithm=algorithm)
    for key in ("header", "trailer"):
        head = s3.head(key, ChecksumMode="ENABLED")
        assert (head[member], head["ChecksumType"]) == (value, "FULL_OBJECT")
        assert member not in s3.head(key)


def test_wrong_digests_store_nothing(s3: S3) -> None:
    wrong = checksum("CRC32", b"other")
    s3.refused("BadDigest", "PutObject", Bucket="bucket", Key="k", Body=BIG, ChecksumCRC32=wrong)
    trailing = Stream(BIG, x_amz_checksum_crc32=wrong)
    s3.refused(
        "BadDigest", "PutObject", Bucket="bucket", Key="k", Body=trailing, ChecksumAlgorithm="CRC32"
    )
    md5 = b64encode(hashlib.md5(b"other").digest()).decode()
    s3.refused("BadDigest", "PutObject", Bucket="bucket", Key="k", Body=BIG, ContentMD5=md5)
    s3.refused("InvalidDigest", "PutObject", Bucket="bucket", Key="k", Body=BIG, ContentMD5="x")
    s3.refused("NoSuchKey", "GetObject", Bucket="bucket", Key="k")
    s3.platform.objects.remove_released()
    assert [path for path in s3.platform.objects.files.folder.rglob("*") if path.is_file()] == []


def test_short_body(s3: S3) -> None:
    stream = Stream(b"abc")
    stream.length = 4
    s3.refused("IncompleteBody", "PutObject", Bucket="bucket", Key="key", Body=stream)


def test_response_overrides_and_stored_headers(s3: S3) -> None:
    s3.put("key", CacheControl="no-cache", ContentEncoding="gzip,aws-chunked", Expires=5.0)
    head = s3.head("key", ResponseContentType="text/html", ResponseCacheControl="max-age=1")
    assert (head["ContentType"], head["CacheControl"]) == ("text/html", "max-age=1")
    assert (head["ContentEncoding"], head["Expires"]) == ("gzip", 5.0)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("KeyTooLongError", {"Key": "k" * 1025}),
        ("KeyTooLongError", {"Key": "é" * 513}),
        ("MetadataTooLarge", {"Metadata": {"a": "b" * 2048}}),
        ("InvalidStorageClass", {"StorageClass": "COLD"}),
        ("InvalidTag", {"Tagging": "a=1&a=2"}),
        ("BadRequest", {"Tagging": "&".join(f"{n}=1" for n in range(11))}),
    ],
)
def test_put_refuses(s3: S3, code: str, changes: dict[str, Any]) -> None:
    s3.refused(code, "PutObject", **{"Bucket": "bucket", "Key": "key", "Body": b""} | changes)


def test_customer_key_is_demanded_again(s3: S3) -> None:
    key = b64encode(b"k" * 32).decode()
    digest = b64encode(hashlib.md5(b"k" * 32).digest()).decode()
    members = {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": key,
        "SSECustomerKeyMD5": digest,
    }
    s3.put("key", **members)
    assert s3.get("key", **members) == b"data"
    s3.refused("InvalidRequest", "GetObject", Bucket="bucket", Key="key")
    other = {
        "SSECustomerKey": b64encode(b"o" * 32).decode(),
        "SSECustomerKeyMD5": b64encode(hashlib.md5(b"o" * 32).digest()).decode(),
    }
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", **members | other)
    s3.refused(
        "InvalidArgument",
        "PutObject",
        Bucket="bucket",
        Key="k",
        **members | {"SSECustomerKeyMD5": "x"},
    )


def test_tags(s3: S3) -> None:
    s3.put("key", Tagging="b=2&a=1")
    expected = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert s3("GetObjectTagging", Bucket="bucket", Key="key")["TagSet"] == expected
    assert s3.head("key")["TagCount"] == 2
    s3("PutObjectTagging", Bucket="bucket", Key="key", Tagging={"TagSet": expected[:1]})
    assert s3("GetObjectTagging", Bucket="bucket", Key="key")["TagSet"] == expected[:1]
    s3("DeleteObjectTagging", Bucket="bucket", Key="key")
    assert s3.head("key")["TagCount"] is None


def test_archived_object_needs_a_restore(s3: S3) -> None:
    s3.put("key", StorageClass="GLACIER")
    s3.refused("InvalidObjectState", "GetObject", Bucket="bucket", Key="key")
    s3("RestoreObject", Bucket="bucket", Key="key", RestoreRequest={"Days": 1})
    assert s3.context.status == 202
    assert s3.get("key") == b"data"
    assert 'ongoing-request="false"' in s3.head("key")["Restore"]
