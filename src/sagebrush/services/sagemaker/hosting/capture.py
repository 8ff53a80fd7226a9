"""The DataCaptureConfig of an endpoint configuration; the runtime service captures by it."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.objects import ObjectStoreError, parse_s3_uri
from sagebrush.services.sagemaker import faults


def check_capture(request: dict[str, Any]) -> None:
    """Check where captured data shall go.

    Raises:
        ApiError: ValidationException when that is no place in S3.
    """
    config = request.get("DataCaptureConfig")
    if config is None:
        return
    uri = config["DestinationS3Uri"]
    try:
        parse_s3_uri(uri)
    except ObjectStoreError:
        raise faults.invalid(
            f"DestinationS3Uri {uri!r} of DataCaptureConfig must have the form s3://bucket/prefix."
        ) from None


def capture_summary(config: dict[str, Any]) -> dict[str, Any] | None:
    """Return what DescribeEndpoint tells of the capture of an endpoint that serves `config`."""
    given = config.get("DataCaptureConfig")
    if given is None:
        return None
    enabled = given.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": given["InitialSamplingPercentage"],
        "DestinationS3Uri": given["DestinationS3Uri"],
        "KmsKeyId": given.get("KmsKeyId", ""),
    }
