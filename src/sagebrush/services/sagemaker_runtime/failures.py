"""What the caller is told when an invocation has no answer, or not a good one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    FleetError,
    NoSuchFleetError,
    NoSuchVariantError,
    NotLoadedError,
    NotReadyError,
    OversizedRequestError,
    ServerLostError,
    ServerTimeoutError,
    ThrottledError,
)
from sagebrush.services.container_chain import OversizedError
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.components import no_component

_MAXIMUM_BODY_BYTES = 25 * 1024 * 1024
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the"
    " latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_LOST = (
    "Amazon SageMaker could not get a response from the {endpoint} endpoint. This can occur when"
    " CPU or memory utilization is high. To check your utilization, see Amazon CloudWatch. To fix"
    " this problem, use an instance type with more CPU capacity or memory."
)


def check_size(request: dict[str, Any]) -> None:
    """Refuse what is too large for any endpoint.

    Raises:
        ApiError: ValidationError naming the limit.
    """
    if len(request.get("Body", b"")) > _MAXIMUM_BODY_BYTES:
        raise ApiError(
            "ValidationError",
            f"The request body is larger than the limit of {_MAXIMUM_BODY_BYTES} bytes.",
        )


def no_answer(context: Context, request: dict[str, Any], error: FleetError) -> ApiError:
    """Return the error of an invocation that no model server has answered."""
    name = request["EndpointName"]
    if isinstance(error, NoSuchFleetError):
        return no_component(context, request)
    if isinstance(error, NoSuchVariantError):
        return no_such_variant(request.get("TargetVariant"), name)
    if isinstance(error, OversizedRequestError):
        return ApiError("ValidationError", f"Endpoint {name}: {error}")
    if isinstance(error, ThrottledError):
        return ApiError("ThrottlingException", f"Endpoint {name}: {error}", status=400)
    if isinstance(error, NotReadyError):
        return ApiError("ServiceUnavailable", f"Endpoint {name}: {error}")
    if isinstance(error, OversizedError):
        return _model_error(context, request, 200, str(error), str(error))
    text = str(error)
    if isinstance(error, ServerTimeoutError):
        text = _TIMED_OUT.format(container=error.container)
    elif isinstance(error, ServerLostError) and not isinstance(error, NotLoadedError):
        text = _LOST.format(endpoint=name)
    message = f'Received server error (0) from {error.container} with message "{text}"'
    return _model_error(context, request, 0, message, text)


def no_such_variant(variant: str | None, endpoint: str) -> ApiError:
    """Return the error of an invocation of a variant that takes none."""
    return ApiError("ValidationError", f"Variant {variant} is not found in endpoint {endpoint}.")


def bad_answer(
    context: Context, request: Mapping[str, Any], container: str, status: int, body: bytes
) -> ApiError:
    """Return the error of an invocation that a container has answered with another status."""
    kind = "server" if status >= 500 else "client"
    text = body.decode("utf-8", "replace")
    message = f'Received {kind} error ({status}) from {container} with message "{text}"'
    return _model_error(context, request, status, message, text)


def _model_error(
    context: Context, request: Mapping[str, Any], status: int, message: str, original: str
) -> ApiError:
    group = _log_group(request)
    where = (
        f"https://{context.region}.console.aws.amazon.com/cloudwatch/home?region={context.region}"
        f"#logEventViewer:group={group} in account {context.account}"
    )
    return ApiError(
        "ModelError",
        f"{message.removesuffix('.')}. See {where} for more information.",
        OriginalStatusCode=status,
        OriginalMessage=original,
        LogStreamArn=context.arn("logs", f"log-group:{group}"),
    )


def _log_group(request: Mapping[str, Any]) -> str:
    """Return where the model server that a request was for prints."""
    if "InferenceComponentName" in request:
        return f"/aws/sagemaker/InferenceComponents/{request['InferenceComponentName']}"
    return f"/aws/sagemaker/Endpoints/{request['EndpointName']}"
