"""The error each service answers to a request that does not fit its model.

The wording of broken constraints is the same everywhere (`violations`); code and, for some
services, wording differ. What differs is data in the tables below.
"""

from __future__ import annotations

from collections.abc import Callable

from sagebrush.base.errors import ApiError
from sagebrush.wire.model import Operation
from sagebrush.wire.violations import Mismatch, Violation, message_of

# Services whose code for broken constraints is neither modelled ValidationException nor the
# default of the protocol. Sources: each service's API reference, page "Common Errors" or the
# errors of any operation that takes a name.
_VALIDATION_CODES = {
    "athena": "InvalidRequestException",
    "ecr": "InvalidParameterException",
    "firehose": "InvalidArgumentException",
    "logs": "InvalidParameterException",
    "sagemaker-runtime": "ValidationError",
    "sns": "InvalidParameter",
}
# Order of preference among the codes that models declare.
_MODELLED_CODES = ("ValidationException", "ValidationError")
_XML_PROTOCOLS = frozenset({"query", "ec2", "rest-xml"})


def refusal(operation: Operation, finding: Mismatch | list[Violation]) -> ApiError:
    """Return the service's error for what `violations.explain` found."""
    service = operation.service
    if isinstance(finding, Mismatch):
        return malformed(operation, finding.message)
    if not finding:
        raise AssertionError(f"{service.name}.{operation.name}: refused without a reason")
    special = _SPECIAL_REFUSALS.get(service.name)
    if special is not None:
        return special(operation, finding)
    return ApiError(validation_code(operation), message_of(finding), status=400)


def validation_code(operation: Operation) -> str:
    """Return the code with which a service refuses a broken constraint."""
    service = operation.service
    code = _VALIDATION_CODES.get(service.name)
    if code is not None:
        return code
    for code in _MODELLED_CODES:
        if code in service.error_shapes:
            return code
    return "ValidationError" if _speaks_xml(operation) else "ValidationException"


def malformed(operation: Operation, detail: str) -> ApiError:
    """Return the error for a body that cannot be read at all or holds a wrong type."""
    if operation.service.name == "s3":
        return ApiError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published"
            " schema",
            status=400,
        )
    if _speaks_xml(operation):
        return ApiError("MalformedInput", detail, status=400)
    return ApiError("SerializationException", detail, status=400)


def unreadable(operation: Operation, wire_name: str, detail: str) -> ApiError:
    """Return the error for a header, label or parameter whose text is not of its type."""
    if operation.service.name == "s3":
        return ApiError(
            "InvalidArgument",
            f"Invalid value for {wire_name}: {detail}",
            status=400,
            ArgumentName=wire_name,
        )
    if _speaks_xml(operation):
        return ApiError("MalformedInput", f"{wire_name}: {detail}", status=400)
    return ApiError("SerializationException", f"{wire_name}: {detail}", status=400)


def unsupported(service: str, operation: str) -> ApiError:
    """Return the error for an operation that the model has and this product has not.

    Status 501 and code NotImplemented are S3's own; botocore's retry modes and the other SDKs
    repeat 500, 502, 503 and 504, but not 501.
    """
    return ApiError(
        "NotImplemented",
        f"Sagebrush does not support the operation {operation} of the service {service}",
        status=501,
    )


def _speaks_xml(operation: Operation) -> bool:
    return operation.service.info.protocols[0] in _XML_PROTOCOLS


def _s3_refusal(operation: Operation, found: list[Violation]) -> ApiError:
    """S3 has no validation summary: a header or parameter is invalid, or the XML is."""
    first = found[0]
    top = first.path.partition(".")[0]
    assert operation.input is not None
    member = next(
        (
            shape
            for name, shape in operation.input.members.items()
            if name[:1].lower() + name[1:] == top
        ),
        None,
    )
    location = None if member is None else member.traits.get("location")
    if first.path.endswith("locationConstraint"):
        return ApiError(
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
            status=400,
        )
    if location is None:
        if first.kind == "required" and first.path == top:
            return ApiError("MissingRequestBodyError", "Request body is empty.", status=400)
        return malformed(operation, str(first))
    wire_name = (member.location_name if member is not None else None) or top
    if wire_name.lower() == "x-amz-storage-class":
        return ApiError(
            "InvalidStorageClass", "The storage class you specified is not valid", status=400
        )
    details = {"ArgumentName": wire_name}
    if first.value is not None and first.kind != "required":
        details["ArgumentValue"] = first.value
    if first.kind == "required":
        message = f"Missing required parameter for this request: '{wire_name}'"
        return ApiError("InvalidRequest", message, status=400)
    if wire_name == "encoding-type":
        message = "Invalid Encoding Method specified in Request"
    else:
        message = f"Invalid value for {wire_name}: {first.constraint}"
    return ApiError("InvalidArgument", message, status=400, **details)


def _ec2_refusal(operation: Operation, found: list[Violation]) -> ApiError:
    """EC2 and SQS name the first missing parameter."""
    first = found[0]
    name = _parameter_name(operation, first.path)
    if first.kind == "required":
        return ApiError(
            "MissingParameter", f"The request must contain the parameter {name}", status=400
        )
    return ApiError("InvalidParameterValue", f"{first}", status=400)


def _parameter_name(operation: Operation, path: str) -> str:
    """Return a path in the names that requests carry: `InstanceId`, not `instanceIds`."""
    top, _, rest = path.partition(".")
    top = top[:1].upper() + top[1:]
    member = operation.input.members.get(top) if operation.input is not None else None
    if member is not None:
        name = str(member.traits.get("queryName") or member.location_name or top)
        top = name[:1].upper() + name[1:]
    return f"{top}.{rest}" if rest else top


def _ecr_refusal(operation: Operation, found: list[Violation]) -> ApiError:
    """ECR puts the constraint into quotes and leaves its subject out."""
    del operation
    first = found[0]
    constraint = first.constraint.removeprefix("Member ")
    return ApiError(
        "InvalidParameterException",
        f"Invalid parameter at '{first.path}' failed to satisfy constraint: '{constraint}'",
        status=400,
    )


_SPECIAL_REFUSALS: dict[str, Callable[[Operation, list[Violation]], ApiError]] = {
    "ec2": _ec2_refusal,
    "ecr": _ecr_refusal,
    "s3": _s3_refusal,
    "sqs": _ec2_refusal,
}
