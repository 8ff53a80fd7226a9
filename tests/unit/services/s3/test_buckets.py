"""Buckets and what is configured for them."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.s3.names import check_bucket_name

from .conftest import ANONYMOUS, MAIN, OTHER, S3


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Upper", "under_score", "a..b", "a.-b", "-ab", "ab-", "1.2.3.4"]
)
def test_bucket_name_refused(name: str) -> None:
    with pytest.raises(ApiError, match="InvalidBucketName"):
        check_bucket_name(name)


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1a2", "my.bucket-1"])
def test_bucket_name_accepted(name: str) -> None:
    check_bucket_name(name)


def test_create_again(s3: S3) -> None:
    assert s3("CreateBucket", Bucket="bucket")["Location"] == "/bucket"
    s3.refused("BucketAlreadyExists", "CreateBucket", Bucket="bucket", account=OTHER)
    west = {"LocationConstraint": "us-west-2"}
    s3("CreateBucket", Bucket="west", CreateBucketConfiguration=west)
    s3.refused(
        "BucketAlreadyOwnedByYou", "CreateBucket", Bucket="west", CreateBucketConfiguration=west
    )
    assert s3("GetBucketLocation", Bucket="west") == {"LocationConstraint": "us-west-2"}
    assert s3("GetBucketLocation", Bucket="bucket") == {"LocationConstraint": None}
    assert s3("HeadBucket", Bucket="west")["BucketRegion"] == "us-west-2"


def test_delete_bucket(s3: S3) -> None:
    s3.put("key")
    s3.refused("BucketNotEmpty", "DeleteBucket", Bucket="bucket")
    s3("DeleteObject", Bucket="bucket", Key="key")
    s3("DeleteBucket", Bucket="bucket")
    s3.refused("NoSuchBucket", "HeadBucket", Bucket="bucket")


def test_list_buckets_of_the_caller_in_pages(s3: S3) -> None:
    s3("CreateBucket", Bucket="another")
    s3("CreateBucket", Bucket="other", account=OTHER)
    page = s3("ListBuckets", MaxBuckets=1)
    assert [bucket["Name"] for bucket in page["Buckets"]] == ["another"]
    rest = s3("ListBuckets", ContinuationToken=page["ContinuationToken"])
    assert [bucket["Name"] for bucket in rest["Buckets"]] == ["bucket"]
    s3.refused("AccessDenied", "ListBuckets", account=ANONYMOUS)


SETTINGS: list[tuple[str, str, dict[str, Any], str | None]] = [
    (
        "BucketTagging",
        "NoSuchTagSet",
        {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}},
        "Tagging",
    ),
    (
        "BucketCors",
        "NoSuchCORSConfiguration",
        {
            "CORSConfiguration": {
                "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
            }
        },
        "CORSConfiguration",
    ),
    (
        "PublicAccessBlock",
        "NoSuchPublicAccessBlockConfiguration",
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "IgnorePublicAcls": False,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": False,
            }
        },
        None,
    ),
    (
        "BucketOwnershipControls",
        "OwnershipControlsNotFoundError",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
        None,
    ),
    (
        "BucketEncryption",
        "ServerSideEncryptionConfigurationNotFoundError",
        {
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            }
        },
        None,
    ),
    (
        "BucketWebsite",
        "NoSuchWebsiteConfiguration",
        {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
        "WebsiteConfiguration",
    ),
]


@pytest.mark.parametrize(("name", "missing", "document", "flat"), SETTINGS)
def test_setting_comes_back_and_goes(
    s3: S3, name: str, missing: str, document: dict[str, Any], flat: str | None
) -> None:
    s3.refused(missing, f"Get{name}", Bucket="bucket")
    s3(f"Put{name}", Bucket="bucket", **document)
    assert s3(f"Get{name}", Bucket="bucket") == (document if flat is None else document[flat])
    s3.refused("AccessDenied", f"Get{name}", Bucket="bucket", account=OTHER)
    s3(f"Delete{name}", Bucket="bucket")
    s3.refused(missing, f"Get{name}", Bucket="bucket")


def test_default_encryption_is_answered(s3: S3) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3(
        "PutBucketEncryption",
        Bucket="bucket",
        ServerSideEncryptionConfiguration={"Rules": [rule]},
    )
    assert s3.put("key")["ServerSideEncryption"] == "aws:kms"
    assert s3.head("key")["SSEKMSKeyId"].endswith(f"{MAIN}:alias/aws/s3")


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("MalformedXML", {"Status": "enabled"}),
        ("InvalidArgument", {"Status": "Enabled", "Expiration": {"Days": 0}}),
        ("InvalidArgument", {"Status": "Enabled", "Expiration": {"Date": 1.5}}),
        ("InvalidArgument", {"Status": "Enabled", "ID": "i" * 256}),
    ],
)
def test_lifecycle_refuses(s3: S3, code: str, rule: dict[str, Any]) -> None:
    s3.refused(
        code,
        "PutBucketLifecycleConfiguration",
        Bucket="bucket",
        LifecycleConfiguration={"Rules": [rule]},
    )


def test_lifecycle_rules_get_an_id(s3: S3) -> None:
    rule = {"Status": "Enabled", "Filter": {"Prefix": "a"}, "Expiration": {"Days": 1}}
    s3(
        "PutBucketLifecycleConfiguration",
        Bucket="bucket",
        LifecycleConfiguration={"Rules": [rule]},
    )
    (kept,) = s3("GetBucketLifecycleConfiguration", Bucket="bucket")["Rules"]
    assert kept.pop("ID")
    assert kept == rule


def test_cross_origin_rules(s3: S3) -> None:
    rule = {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example.com"],
        "AllowedHeaders": ["x-amz-*"],
        "MaxAgeSeconds": 60,
    }
    s3("PutBucketCors", Bucket="bucket", CORSConfiguration={"CORSRules": [rule]})
    asked = {"Bucket": "bucket", "Key": "k", "RequestMethod": "PUT"}
    s3("OptionsObject", **asked, Origin="https://a.example.com", RequestHeaders="x-amz-date")
    headers = s3.context.extra_headers
    assert headers["Access-Control-Allow-Origin"] == "https://a.example.com"
    assert headers["Access-Control-Max-Age"] == "60"
    s3.refused("AccessForbidden", "OptionsObject", **asked, Origin="https://example.org")
    s3.refused(
        "AccessForbidden",
        "OptionsObject",
        **asked,
        Origin="https://a.example.com",
        RequestHeaders="x-other",
    )
    s3("ListObjectsV2", Bucket="bucket", origin="https://a.example.com")
    assert "Access-Control-Allow-Origin" in s3.context.extra_headers
