"""What AWS refuses of a CreateTransformJob beyond the constraints of the model."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.objects import InvalidLocation, parse_s3_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.instances import instance_of
from sagebrush.services.sagemaker.training_requests import INSTANCE_LIMIT
from sagebrush.services.sagemaker.transform.json_path import PathSyntaxError, parse_path
from sagebrush.services.sagemaker.transform.processing import CSV, FORMATS, media_type_of

MAX_PAYLOAD_MB = 100
MAX_TOTAL_PAYLOAD_MB = 100
_OPERATORS = "['$', '[', ']', '*', '.', ' ', ',', ':', '-', ''']"


def check_transform_request(context: Context, request: dict[str, Any], role_arn: str) -> None:
    """Raise ApiError for the first thing that AWS, or this server, refuses."""
    _check_payload(request)
    _check_resources(request["TransformResources"])
    _check_processing(request)
    for location in (
        request["TransformOutput"]["S3OutputPath"],
        request.get("DataCaptureConfig", {}).get("DestinationS3Uri"),
    ):
        if location is not None:
            _location(location)
    _check_input(context, request["TransformInput"]["DataSource"]["S3DataSource"], role_arn)


def _check_payload(request: dict[str, Any]) -> None:
    payload_mb = request.get("MaxPayloadInMB")
    if payload_mb is None:
        return
    if payload_mb > MAX_PAYLOAD_MB:
        raise faults.invalid(
            f"The value of MaxPayloadInMB cannot be greater than {MAX_PAYLOAD_MB} MB."
        )
    if payload_mb == 0:
        raise faults.invalid(
            "MaxPayloadInMB 0 asks for HTTP chunked encoding, which the built-in algorithms do not"
            " support."
        )
    if payload_mb * request.get("MaxConcurrentTransforms", 0) > MAX_TOTAL_PAYLOAD_MB:
        raise faults.invalid(
            "The value of (MaxConcurrentTransforms * MaxPayloadInMB) cannot exceed"
            f" {MAX_TOTAL_PAYLOAD_MB} MB."
        )


def _check_resources(resources: dict[str, Any]) -> None:
    instance_type, count = resources["InstanceType"], resources["InstanceCount"]
    if instance_of(instance_type) is None:
        raise faults.unsupported(f"Instance type {instance_type}")
    if count > INSTANCE_LIMIT:
        raise ApiError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{instance_type} for transform job usage' is"
            f" {INSTANCE_LIMIT} Instances, with current utilization of 0 Instances and a request"
            f" delta of {count} Instances. Please use AWS Service Quotas to request an increase"
            " for this quota. If AWS Service Quotas is not available, contact AWS support to"
            " request an increase for this quota.",
        )


def _check_processing(request: dict[str, Any]) -> None:
    """Filters and joins need both sides in one of three formats, cut the same way."""
    asked = request.get("DataProcessing", {})
    source, output = request["TransformInput"], request["TransformOutput"]
    media_type = media_type_of(source.get("ContentType", ""))
    filters = {name: asked.get(name, "$") for name in ("InputFilter", "OutputFilter")}
    for name, text in filters.items():
        _check_path(name, text, media_type)
    stamps = request.get("DataCaptureConfig", {}).get("GenerateInferenceId", False)
    joins = asked.get("JoinSource", "None") == "Input"
    if not joins and not stamps and all(text.strip() == "$" for text in filters.values()):
        return
    accept = media_type_of(output.get("Accept", ""))
    if media_type not in FORMATS or accept != media_type:
        raise faults.invalid(
            "DataProcessing and inference ids need ContentType and Accept to be the same, one of"
            f" {', '.join(FORMATS)}; they are {media_type or 'not set'} and"
            f" {accept or 'not set'}."
        )
    split, assemble = source.get("SplitType", "None"), output.get("AssembleWith", "None")
    if split != assemble or (media_type == CSV and split != "Line"):
        raise faults.invalid(
            "DataProcessing and inference ids need SplitType and AssembleWith to be the same, and"
            f" Line for {CSV}; they are {split} and {assemble}."
        )


def _check_path(member: str, text: str, media_type: str) -> None:
    try:
        path = parse_path(text)
    except PathSyntaxError as error:
        raise faults.invalid(
            f'Invalid {member}: "{text}". {error} Supported operators for "{media_type}" are'
            f" {_OPERATORS}"
        ) from None
    if path.has_names and media_type == CSV:
        raise faults.invalid(
            f'Invalid {member}: "{text}". A row of {CSV} is an array: only indexes, slices and *'
            " can be applied to it."
        )


def _check_input(context: Context, source: dict[str, Any], role_arn: str) -> None:
    kind = source["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise faults.invalid(f"S3DataType {kind} cannot be used for a transform job.")
    bucket, prefix = _location(source["S3Uri"])
    objects = context.platform.objects
    record = objects.bucket(bucket)
    if record is None or next(objects.listing.current(record, prefix), None) is None:
        raise faults.no_data(source["S3Uri"], context.region, role_arn, bucket)


def _location(text: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(text)
    except InvalidLocation:
        raise faults.invalid(f"The S3 URI {text!r} does not name a bucket.") from None
