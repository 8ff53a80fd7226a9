"""What the conditions of a bucket policy can ask about a request.

Source: Service authorization reference, "Actions, resources, and condition keys for Amazon S3";
S3 user guide, "The meaning of 'public'".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson

from sagebrush.engines.objects import ObjectEntry
from sagebrush.services.platform import Context
from sagebrush.services.s3.tagging import tags_from_header

_MEMBERS = {
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write": "GrantWrite",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
    "s3:versionid": "VersionId",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "s3:locationconstraint": "LocationConstraint",
}
# Conditions on these, with fixed values, keep a policy from being public.
_RESTRICTING = (
    "aws:sourceip",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:sourceaccount",
    "aws:userid",
    "aws:username",
    "aws:principalorgid",
    "aws:principalarn",
    "aws:principalaccount",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
)


def condition_values(
    context: Context, request: dict[str, Any], entry: ObjectEntry | None
) -> dict[str, list[str]]:
    """Return the values of the condition keys (lower case) that the request has."""
    values = {
        key: [str(request[member])]
        for key, member in _MEMBERS.items()
        if request.get(member) is not None
    }
    if source := request.get("CopySource"):
        values["s3:x-amz-copy-source"] = [unquote(source).removeprefix("/")]
    if entry is not None:
        for tag, value in entry.annotations.get("Tags", {}).items():
            values[f"s3:existingobjecttag/{tag.lower()}"] = [value]
    requested = _requested_tags(request)
    for tag, value in requested.items():
        values[f"s3:requestobjecttag/{tag.lower()}"] = [value]
    if requested:
        values["s3:requestobjecttagkeys"] = list(requested)
    values["aws:sourceip"] = [context.client_address]
    values["aws:securetransport"] = [str(context.endpoint.startswith("https")).lower()]
    values["aws:principalarn"] = [context.principal.arn]
    values["aws:principalaccount"] = [context.account]
    values["aws:userid"] = [context.principal.user_id]
    if context.referrer is not None:
        values["aws:referer"] = [context.referrer]
    values["aws:useragent"] = [context.user_agent]
    values["aws:currenttime"] = [str(context.now)]
    values["aws:epochtime"] = [str(int(context.now))]
    return values


def is_public_policy(text: str) -> bool:
    """Whether a bucket policy gives anything to everyone."""
    statements = orjson.loads(text)["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    return any(_is_public_statement(statement) for statement in statements)


def _is_public_statement(statement: dict[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    if "NotPrincipal" in statement:
        return True
    principal = statement.get("Principal")
    names = principal.get("AWS", []) if isinstance(principal, dict) else principal
    if "*" not in ([names] if isinstance(names, str) else names or []):
        return False
    conditions = statement.get("Condition") or {}
    asked = {key.lower() for tests in conditions.values() for key in tests}
    return not asked.intersection(_RESTRICTING)


def _requested_tags(request: dict[str, Any]) -> dict[str, str]:
    tagging = request.get("Tagging")
    if isinstance(tagging, dict):
        return {tag["Key"]: tag["Value"] for tag in tagging.get("TagSet", [])}
    return tags_from_header(tagging)
