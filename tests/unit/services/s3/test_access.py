"""Bucket policies and access control lists."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.services.s3.owners import account_of, canonical_id

from .conftest import ANONYMOUS, MAIN, OTHER, S3


def policy(effect: str, action: str | list[str], **statement: Any) -> str:
    whole = {
        "Effect": effect,
        "Principal": "*",
        "Action": action,
        "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [whole | statement]})


def put_policy(s3: S3, text: str) -> None:
    s3("PutBucketPolicy", Bucket="bucket", Policy=text)


def test_policy_lets_others_in(s3: S3) -> None:
    s3.put("key")
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", account=OTHER)
    principal = {"AWS": f"arn:aws:iam::{OTHER}:root"}
    put_policy(s3, policy("Allow", "s3:GetObject", Principal=principal))
    assert s3.get("key", account=OTHER) == b"data"
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", account=ANONYMOUS)
    s3.refused("AccessDenied", "PutObject", Bucket="bucket", Key="key", account=OTHER)


def test_denial_binds_the_owner_too(s3: S3) -> None:
    put_policy(s3, policy("Deny", "s3:*"))
    s3.refused("AccessDenied", "PutObject", Bucket="bucket", Key="key")
    s3("DeleteBucketPolicy", Bucket="bucket")
    s3.put("key")


def test_conditions_on_tags_and_lists(s3: S3) -> None:
    condition = {"StringEquals": {"s3:ExistingObjectTag/open": "yes"}}
    put_policy(s3, policy("Allow", "s3:GetObject", Condition=condition))
    s3.put("open", Tagging="open=yes")
    s3.put("shut")
    assert s3.get("open", account=OTHER) == b"data"
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="shut", account=OTHER)


def test_missing_key_is_a_secret_to_those_who_may_not_list(s3: S3) -> None:
    put_policy(s3, policy("Allow", "s3:GetObject"))
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="none", account=OTHER)
    put_policy(s3, policy("Allow", ["s3:GetObject", "s3:ListBucket"]))
    s3.refused("NoSuchKey", "GetObject", Bucket="bucket", Key="none", account=OTHER)


@pytest.mark.parametrize(
    "text", ["{", "[]", policy("Allow", "s3:GetObject", Resource="arn:aws:sqs:::queue")]
)
def test_malformed_policy(s3: S3, text: str) -> None:
    s3.refused("MalformedPolicy", "PutBucketPolicy", Bucket="bucket", Policy=text)
    s3.refused("NoSuchBucketPolicy", "GetBucketPolicy", Bucket="bucket")


def test_public_access_block(s3: S3) -> None:
    put_policy(s3, policy("Allow", "s3:GetObject"))
    assert s3("GetBucketPolicyStatus", Bucket="bucket")["PolicyStatus"]["IsPublic"] is True
    s3.put("key", ACL="public-read")
    block = {"RestrictPublicBuckets": True, "IgnorePublicAcls": True, "BlockPublicAcls": True}
    s3("PutPublicAccessBlock", Bucket="bucket", PublicAccessBlockConfiguration=block)
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", account=ANONYMOUS)
    s3.refused("AccessDenied", "PutObjectAcl", Bucket="bucket", Key="key", ACL="public-read")
    s3("DeletePublicAccessBlock", Bucket="bucket")
    assert s3.get("key", account=ANONYMOUS) == b"data"


def test_canned_lists(s3: S3) -> None:
    s3.put("key", ACL="authenticated-read")
    assert s3.get("key", account=OTHER) == b"data"
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", account=ANONYMOUS)
    s3("PutBucketAcl", Bucket="bucket", ACL="public-read-write")
    s3.put("theirs", account=OTHER)
    listed = s3("ListObjectsV2", Bucket="bucket", account=ANONYMOUS)["Contents"]
    assert [item["Key"] for item in listed] == ["key", "theirs"]
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="theirs")
    acl = s3("GetObjectAcl", Bucket="bucket", Key="theirs", account=OTHER)
    assert acl["Owner"]["ID"] == canonical_id(OTHER)


def test_grants_by_header_and_document(s3: S3) -> None:
    s3.put("key", GrantRead=f'id="{canonical_id(OTHER)}"')
    assert s3.get("key", account=OTHER) == b"data"
    document = s3("GetObjectAcl", Bucket="bucket", Key="key")
    document["Grants"][0]["Permission"] = "READ_ACP"
    s3("PutObjectAcl", Bucket="bucket", Key="key", AccessControlPolicy=document)
    s3.refused("AccessDenied", "GetObject", Bucket="bucket", Key="key", account=OTHER)
    assert s3("GetObjectAcl", Bucket="bucket", Key="key", account=OTHER)["Grants"]
    s3.refused(
        "InvalidArgument", "PutObjectAcl", Bucket="bucket", Key="key", GrantRead='id="nobody"'
    )


def test_enforced_ownership_turns_lists_off(s3: S3) -> None:
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3("PutBucketOwnershipControls", Bucket="bucket", OwnershipControls=rules)
    s3.refused(
        "AccessControlListNotSupported", "PutObject", Bucket="bucket", Key="k", ACL="public-read"
    )
    s3.put("key", ACL="bucket-owner-full-control")
    put_policy(s3, policy("Allow", "s3:PutObject"))
    s3.put("theirs", account=OTHER)
    assert s3.get("theirs") == b"data"


def test_canonical_ids_go_both_ways() -> None:
    assert len(canonical_id(MAIN)) == 64
    assert account_of(canonical_id(MAIN)) == MAIN
    assert account_of("0" * 52 + MAIN) is None
