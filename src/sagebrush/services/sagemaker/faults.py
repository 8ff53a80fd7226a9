"""Every refusal of the SageMaker control plane, in AWS's codes and words."""

from __future__ import annotations

from sagebrush.base.errors import ApiError


def invalid(message: str) -> ApiError:
    """A request that no retry will make right."""
    return ApiError("ValidationException", message)


def unsupported(what: str) -> ApiError:
    """A part of AWS's interface that this server does not carry out."""
    return invalid(f"{what} is not supported by this server.")


def not_found() -> ApiError:
    """No resource of this name, for operations that AWS answers this way."""
    return invalid("Requested resource not found.")


def name_in_use(noun: str, arn: str) -> ApiError:
    """The name of a new resource is taken; `noun` is as in `Training job`."""
    return ApiError(
        "ResourceInUse",
        f"{noun} names must be unique within an AWS account and region, and a {noun.lower()} with"
        f" this name already exists ({arn})",
    )


def in_use(message: str) -> ApiError:
    """A resource cannot be changed or deleted as it is."""
    return ApiError("ResourceInUse", message)


def rejected_in_status(status: str) -> ApiError:
    """An operation came too late or too early for the resource."""
    return invalid(f"The request was rejected because the training job is in status {status}.")


def no_data(url: str, region: str, role: str, bucket: str) -> ApiError:
    """An input data source names no object."""
    return invalid(no_data_message(url, region, role, bucket))


def no_data_message(url: str, region: str, role: str, bucket: str) -> str:
    """What AWS says about an input data source without objects."""
    return (
        f'No S3 objects found under S3 URL "{url}" given in input data source. Please ensure that'
        f" the bucket exists in the selected region ({region}), that objects exist under that S3"
        f' prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )


def over_limit(instance_type: str, limit: int, used: int, wanted: int) -> ApiError:
    """A job asks for more instances than the account may use at once."""
    return ApiError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{instance_type} for training job usage' is {limit}"
        f" Instances, with current utilization of {used} Instances and a request delta of"
        f" {wanted} Instances. Please use AWS Service Quotas to request an increase for this"
        " quota. If AWS Service Quotas is not available, contact AWS support to request an"
        " increase for this quota.",
    )


def over_runtime(wanted_s: int, limit_s: int) -> ApiError:
    """A job asks for more time than any may have."""
    return ApiError(
        "ResourceLimitExceeded",
        "The account-level service limit 'Longest run time for a training job' is"
        f" {limit_s} Seconds, with current utilization of 0 Seconds and a request delta of"
        f" {wanted_s} Seconds. Please contact AWS support to request an increase for this limit.",
    )


def over_quota(what: str, limit: int, used: int, wanted: int) -> ApiError:
    """A request goes beyond another service limit of the account."""
    return ApiError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{what}' is {limit}, with current utilization of {used}"
        f" and a request delta of {wanted}. Please contact AWS support to request an increase for"
        " this limit.",
    )
