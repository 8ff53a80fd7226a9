"""Bucket policies, public-access block, ownership controls."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.identity import PolicyDocument, PolicyMalformed
from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.grants import is_public
from sagebrush.services.s3.policy_context import is_public_policy
from sagebrush.services.s3.reach import reach_bucket
from sagebrush.services.s3.settings import (
    delete_setting,
    read_setting,
    read_settings,
    write_setting,
)

_POLICY_BYTES = 20 * 1024
_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def put_bucket_policy(context: Context, request: dict[str, Any]) -> None:
    """Replace the bucket's policy."""
    bucket = reach_bucket(context, request, "s3:PutBucketPolicy")
    text = request["Policy"]
    if len(text.encode()) > _POLICY_BYTES:
        raise fault("PolicyTooLarge")
    try:
        document = PolicyDocument.resource(text)
    except PolicyMalformed as error:
        raise fault("MalformedPolicy", str(error)) from None
    arn = f"arn:aws:s3:::{bucket.name}"
    if any(statement.allows and statement.negated_principals for statement in document.statements):
        raise fault("MalformedPolicy", "Allow with NotPrincipal is not allowed.")
    for statement in document.statements:
        for resource in statement.resources:
            if resource != "*" and not resource.startswith(("arn:aws:s3:::", arn)):
                raise fault("MalformedPolicy", "Policy has invalid resource")
    block = read_setting(context.db, bucket.id, "public_access_block") or {}
    if block.get("BlockPublicPolicy") and is_public_policy(text):
        raise fault("AccessDenied")
    write_setting(context.db, bucket.id, "policy", text)
    context.status = 204


def get_bucket_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bucket's policy as it was put."""
    bucket = reach_bucket(context, request, "s3:GetBucketPolicy")
    text = read_setting(context.db, bucket.id, "policy")
    if text is None:
        raise fault("NoSuchBucketPolicy", BucketName=bucket.name)
    return {"Policy": text}


def delete_bucket_policy(context: Context, request: dict[str, Any]) -> None:
    """Take the bucket's policy away."""
    bucket = reach_bucket(context, request, "s3:DeleteBucketPolicy")
    delete_setting(context.db, bucket.id, "policy")


def get_bucket_policy_status(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether the bucket is public, by its policy or its access control list."""
    bucket = reach_bucket(context, request, "s3:GetBucketPolicyStatus")
    settings = read_settings(context.db, bucket.id, ("policy", "acl"))
    public = "policy" in settings and is_public_policy(settings["policy"])
    return {"PolicyStatus": {"IsPublic": public or is_public(settings.get("acl", []))}}


def put_public_access_block(context: Context, request: dict[str, Any]) -> None:
    """Block public access in the ways asked for."""
    bucket = reach_bucket(context, request, "s3:PutBucketPublicAccessBlock")
    given = request["PublicAccessBlockConfiguration"]
    block = {name: bool(given.get(name)) for name in _BLOCKS}
    write_setting(context.db, bucket.id, "public_access_block", block)


def get_public_access_block(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return what public access is blocked."""
    bucket = reach_bucket(context, request, "s3:GetBucketPublicAccessBlock")
    block = read_setting(context.db, bucket.id, "public_access_block")
    if block is None:
        raise fault("NoSuchPublicAccessBlockConfiguration", BucketName=bucket.name)
    return {"PublicAccessBlockConfiguration": block}


def delete_public_access_block(context: Context, request: dict[str, Any]) -> None:
    """Block nothing."""
    bucket = reach_bucket(context, request, "s3:PutBucketPublicAccessBlock")
    delete_setting(context.db, bucket.id, "public_access_block")


def put_bucket_ownership_controls(context: Context, request: dict[str, Any]) -> None:
    """Say who owns objects that other accounts write, and whether lists count."""
    bucket = reach_bucket(context, request, "s3:PutBucketOwnershipControls")
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1 or rules[0]["ObjectOwnership"] not in _OWNERSHIPS:
        raise fault("MalformedXML")
    grants = read_setting(context.db, bucket.id, "acl")
    if rules[0]["ObjectOwnership"] == _OWNERSHIPS[0] and grants is not None and len(grants) > 1:
        raise fault("InvalidBucketAclWithObjectOwnership", BucketName=bucket.name)
    write_setting(context.db, bucket.id, "ownership", {"Rules": rules})


def get_bucket_ownership_controls(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the ownership controls."""
    bucket = reach_bucket(context, request, "s3:GetBucketOwnershipControls")
    controls = read_setting(context.db, bucket.id, "ownership")
    if controls is None:
        raise fault("OwnershipControlsNotFoundError", BucketName=bucket.name)
    return {"OwnershipControls": controls}


def delete_bucket_ownership_controls(context: Context, request: dict[str, Any]) -> None:
    """Go back to the writer owning its objects."""
    bucket = reach_bucket(context, request, "s3:PutBucketOwnershipControls")
    delete_setting(context.db, bucket.id, "ownership")
