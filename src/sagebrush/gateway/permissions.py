"""Which permission an operation needs, on what, and what conditions can ask of the request.

Names of actions and resources are those of the Service Authorization Reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sagebrush.gateway.sagemaker_permissions import (
    sagemaker_keys,
    sagemaker_resources,
    sagemaker_tag_keys,
)
from sagebrush.services.platform import Context
from sagebrush.wire import Route

# Operations of S3 whose permission has another name.
_S3_ACTIONS = {
    "HeadObject": "GetObject",
    "GetObjectAttributes": "GetObjectAttributes",
    "CopyObject": "PutObject",
    "PostObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "DeleteObjects": "DeleteObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "PutBucketCors": "PutBucketCORS",
    "DeleteBucketCors": "PutBucketCORS",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketTagging": "PutBucketTagging",
}
_PREFIXES = {"monitoring": "cloudwatch"}
# Operations that need the permission of another one.
_ACTIONS = {
    "sns": {"PublishBatch": "Publish"},
    "sqs": {
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
}
# Parameter that names the resource: the resource's part of its ARN.
_RESOURCES = {
    "iam": {
        "UserName": "user/{}",
        "RoleName": "role/{}",
        "GroupName": "group/{}",
        "InstanceProfileName": "instance-profile/{}",
    },
    "logs": {"logGroupName": "log-group:{}"},
    "cloudwatch": {"AlarmName": "alarm:{}"},
    "ecr": {"repositoryName": "repository/{}"},
    "sqs": {"QueueName": "{}"},
    "sns": {"Name": "{}"},
}
_ARN_MEMBERS = ("TopicArn", "ResourceArn", "ResourceARN", "PolicyArn", "RoleArn")
_GLOBAL = frozenset({"iam", "s3"})


@dataclass(frozen=True, slots=True)
class Permission:
    """An action (`s3:GetObject`), the ARNs it needs allowed (or `*`), the keys of the request."""

    action: str
    resources: tuple[str, ...]
    keys: dict[str, list[str]] = field(default_factory=dict)

    def with_keys(self, context: Context) -> Iterator[tuple[str, dict[str, list[str]]]]:
        """Yield each resource with the values of all condition keys that it is judged by."""
        for resource in self.resources:
            if self.action.startswith("sagemaker:"):
                yield resource, self.keys | sagemaker_tag_keys(context, resource)
            else:
                yield resource, self.keys


def required_permission(context: Context, routed: Route, parameters: dict[str, Any]) -> Permission:
    """Return what the sender of a request must be allowed."""
    if routed.service == "s3":
        action = f"s3:{_S3_ACTIONS.get(routed.operation, routed.operation)}"
        return Permission(action, (_s3_resource(parameters),))
    signing_name = routed.operation_model.service.info.signing_name
    prefix = _PREFIXES.get(signing_name, signing_name)
    operation = routed.operation
    action = f"{prefix}:{_ACTIONS.get(prefix, {}).get(operation, operation)}"
    if prefix != "sagemaker":
        return Permission(action, (_resource(context, prefix, parameters),))
    named = sagemaker_resources(context, operation, parameters)
    return Permission(
        action,
        named or (_resource(context, prefix, parameters),),
        sagemaker_keys(context, operation, parameters),
    )


def _resource(context: Context, prefix: str, parameters: dict[str, Any]) -> str:
    for member, form in _RESOURCES.get(prefix, {}).items():
        if member in parameters:
            arn = context.arn(prefix, form.format(parameters[member]))
            return arn.replace(f":{context.region}:", "::") if prefix in _GLOBAL else arn
    if prefix == "sqs" and "QueueUrl" in parameters:
        return context.arn("sqs", str(parameters["QueueUrl"]).rpartition("/")[2])
    if prefix == "sns" and "SubscriptionArn" in parameters:
        # A subscription is its topic's: policies name the topic.
        return str(parameters["SubscriptionArn"]).rpartition(":")[0]
    if prefix == "sns" and "TargetArn" in parameters:
        return str(parameters["TargetArn"])
    key_id = parameters.get("KeyId", "")
    if prefix == "kms" and key_id:
        return _key_arn(context, key_id)
    for member in _ARN_MEMBERS:
        if member in parameters and (member != "RoleArn" or prefix == "sts"):
            return str(parameters[member])
    return "*"


def _key_arn(context: Context, key_id: str) -> str:
    if key_id.startswith("arn:"):
        return key_id
    return context.arn("kms", key_id if key_id.startswith("alias/") else f"key/{key_id}")


def _s3_resource(parameters: dict[str, Any]) -> str:
    bucket = parameters.get("Bucket")
    if bucket is None:
        return "*"
    key = parameters.get("Key")
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"
