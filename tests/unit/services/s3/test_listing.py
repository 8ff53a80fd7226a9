"""ListObjects and ListObjectsV2."""

from __future__ import annotations

import pytest

from .conftest import OTHER, S3

KEYS = ["a/1", "a/2", "b", "c d", "c/1"]


@pytest.fixture
def filled(s3: S3) -> S3:
    for key in KEYS:
        s3.put(key)
    return s3


@pytest.mark.parametrize("operation", ["ListObjects", "ListObjectsV2"])
def test_delimiter_rolls_keys_up(filled: S3, operation: str) -> None:
    answer = filled(operation, Bucket="bucket", Delimiter="/")
    assert [item["Key"] for item in answer["Contents"]] == ["b", "c d"]
    assert [item["Prefix"] for item in answer["CommonPrefixes"]] == ["a/", "c/"]
    assert answer["IsTruncated"] is False


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("delimiter", [None, "/"])
def test_v2_pages_show_everything_once(filled: S3, size: int, delimiter: str | None) -> None:
    seen: list[str] = []
    token = None
    while True:
        page = filled(
            "ListObjectsV2",
            Bucket="bucket",
            MaxKeys=size,
            Delimiter=delimiter,
            ContinuationToken=token,
        )
        items = [c["Key"] for c in page["Contents"]] + [p["Prefix"] for p in page["CommonPrefixes"]]
        assert len(items) == page["KeyCount"] <= size
        seen += sorted(items)
        token = page.get("NextContinuationToken")
        if token is None:
            break
    assert seen == (KEYS if delimiter is None else ["a/", "b", "c d", "c/"])


def test_v1_pages_by_marker(filled: S3) -> None:
    first = filled("ListObjects", Bucket="bucket", MaxKeys=1, Delimiter="/")
    assert (first["NextMarker"], first["IsTruncated"]) == ("a/", True)
    rest = filled("ListObjects", Bucket="bucket", Delimiter="/", Marker=first["NextMarker"])
    assert [item["Key"] for item in rest["Contents"]] == ["b", "c d"]


def test_encoding_owner_and_start_after(filled: S3) -> None:
    answer = filled(
        "ListObjectsV2", Bucket="bucket", StartAfter="b", EncodingType="url", FetchOwner=True
    )
    assert [item["Key"] for item in answer["Contents"]] == ["c%20d", "c/1"]
    assert answer["Contents"][0]["Owner"]["ID"].endswith("111111111111")
    plain = filled("ListObjectsV2", Bucket="bucket")
    assert "Owner" not in plain["Contents"][0]
    assert filled("ListObjectsV2", Bucket="bucket", MaxKeys=0)["IsTruncated"] is False


def test_refusals(filled: S3) -> None:
    filled.refused("InvalidArgument", "ListObjectsV2", Bucket="bucket", ContinuationToken="x")
    filled.refused("InvalidArgument", "ListObjects", Bucket="bucket", MaxKeys=-1)
    filled.refused("AccessDenied", "ListObjectsV2", Bucket="bucket", account=OTHER)
    filled.refused("NoSuchBucket", "ListObjects", Bucket="none")
