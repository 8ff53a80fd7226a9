"""What anyone may do with a bucket that the platform provides: read it, and nothing else."""

from typing import Any

import pytest

from sagebrush.engines.objects import Provided

BUCKET, KEY = "public-samples", "folder/one"
EVERYONE = ("111111111111", "222222222222", "999999999999", "")


@pytest.fixture
def shop(s3: Any) -> Any:
    def provider(name: str) -> Provided | None:
        return Provided("us-east-1", {KEY: b"one"}) if name == BUCKET else None

    s3.platform.objects.provided.add(provider)
    return s3


@pytest.mark.parametrize("account", EVERYONE)
def test_everyone_reads(shop: Any, account: str) -> None:
    listed = shop("ListObjectsV2", account=account, Bucket=BUCKET)
    assert [each["Key"] for each in listed["Contents"]] == [KEY]
    assert shop.get(KEY, account=account, Bucket=BUCKET) == b"one"
    shop("HeadBucket", account=account, Bucket=BUCKET)


@pytest.mark.parametrize("account", EVERYONE)
@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("DeleteObject", {"Key": KEY}),
        ("DeleteBucket", {}),
        ("PutBucketPolicy", {"Policy": "{}"}),
        ("PutBucketVersioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
        ("CreateMultipartUpload", {"Key": "x"}),
        ("PutObjectAcl", {"Key": KEY, "ACL": "private"}),
        ("CopyObject", {"Key": "x", "CopySource": f"{BUCKET}/{KEY}"}),
    ],
)
def test_nobody_writes(shop: Any, account: str, operation: str, members: dict[str, Any]) -> None:
    shop.refused("AccessDenied", operation, account=account, Bucket=BUCKET, **members)
    assert shop.get(KEY, Bucket=BUCKET) == b"one"


def test_the_name_is_taken(shop: Any) -> None:
    shop.refused("BucketAlreadyExists", "CreateBucket", Bucket=BUCKET)
    assert [each["Name"] for each in shop("ListBuckets")["Buckets"]] == ["bucket"]
