"""Settings that are kept and answered but not acted upon.

Notification, logging, website, request payment, acceleration and replication.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.s3.faults import fault
from sagebrush.services.s3.reach import reach_bucket
from sagebrush.services.s3.settings import delete_setting, read_setting, write_setting


def put_bucket_notification_configuration(context: Context, request: dict[str, Any]) -> None:
    """Keep the notification configuration; no event is sent."""
    _put(context, request, "s3:PutBucketNotification", "NotificationConfiguration")


def get_bucket_notification_configuration(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the notification configuration; empty where none was put."""
    return _get(context, request, "s3:GetBucketNotification", "NotificationConfiguration") or {}


def put_bucket_logging(context: Context, request: dict[str, Any]) -> None:
    """Keep the logging status; no log is written."""
    _put(context, request, "s3:PutBucketLogging", "BucketLoggingStatus")


def get_bucket_logging(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the logging status."""
    return _get(context, request, "s3:GetBucketLogging", "BucketLoggingStatus") or {}


def put_bucket_website(context: Context, request: dict[str, Any]) -> None:
    """Keep the website configuration; there is no website endpoint."""
    _put(context, request, "s3:PutBucketWebsite", "WebsiteConfiguration")


def get_bucket_website(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the website configuration."""
    document = _get(context, request, "s3:GetBucketWebsite", "WebsiteConfiguration")
    if document is None:
        raise fault("NoSuchWebsiteConfiguration", BucketName=request["Bucket"])
    return document


def delete_bucket_website(context: Context, request: dict[str, Any]) -> None:
    """Forget the website configuration."""
    bucket = reach_bucket(context, request, "s3:DeleteBucketWebsite")
    delete_setting(context.db, bucket.id, "WebsiteConfiguration")


def put_bucket_request_payment(context: Context, request: dict[str, Any]) -> None:
    """Keep who pays; nobody does."""
    _put(context, request, "s3:PutBucketRequestPayment", "RequestPaymentConfiguration")


def get_bucket_request_payment(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return who pays."""
    document = _get(context, request, "s3:GetBucketRequestPayment", "RequestPaymentConfiguration")
    return document or {"Payer": "BucketOwner"}


def put_bucket_accelerate_configuration(context: Context, request: dict[str, Any]) -> None:
    """Keep the acceleration status."""
    _put(context, request, "s3:PutAccelerateConfiguration", "AccelerateConfiguration")


def get_bucket_accelerate_configuration(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Return the acceleration status."""
    return _get(context, request, "s3:GetAccelerateConfiguration", "AccelerateConfiguration") or {}


def put_bucket_replication(context: Context, request: dict[str, Any]) -> None:
    """Keep the replication configuration; nothing is replicated."""
    bucket = reach_bucket(context, request, "s3:PutReplicationConfiguration")
    if bucket.versioning != "Enabled":
        raise fault(
            "InvalidRequest",
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        )
    _put(context, request, "s3:PutReplicationConfiguration", "ReplicationConfiguration")


def get_bucket_replication(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the replication configuration."""
    document = _get(context, request, "s3:GetReplicationConfiguration", "ReplicationConfiguration")
    if document is None:
        raise fault("ReplicationConfigurationNotFoundError", BucketName=request["Bucket"])
    return {"ReplicationConfiguration": document}


def delete_bucket_replication(context: Context, request: dict[str, Any]) -> None:
    """Forget the replication configuration."""
    bucket = reach_bucket(context, request, "s3:PutReplicationConfiguration")
    delete_setting(context.db, bucket.id, "ReplicationConfiguration")


def _put(context: Context, request: dict[str, Any], action: str, name: str) -> None:
    bucket = reach_bucket(context, request, action)
    write_setting(context.db, bucket.id, name, request[name])


def _get(
    context: Context, request: dict[str, Any], action: str, name: str
) -> dict[str, Any] | None:
    bucket = reach_bucket(context, request, action)
    document: dict[str, Any] | None = read_setting(context.db, bucket.id, name)
    return document
