"""Invocations of inference components: where they go, and who is told when they go nowhere."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import NoSuchFleetError
from sagebrush.services.minute_sums import Series, minute_sums_of
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.refusals import no_such_endpoint
from sagebrush.services.served import component_address

_NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be"
    " in-progress (if configured) or try to increase the capacity by invoking"
    " UpdateInferenceComponentRuntimeConfig API."
)
_NAME_MISSING = (
    "Inference Component Name header is required for endpoints to which you plan to deploy"
    " inference components. Please include Inference Component Name header or consider using"
    " SageMaker models."
)


def address_of_component(context: Context, request: dict[str, Any], endpoint: str) -> str:
    """Return the address of the component that a request names; `endpoint` is its endpoint's.

    Raises:
        ApiError: ValidationError when there is none, or it has no copies.
    """
    fleets = context.platform.fleets
    name, component = request["EndpointName"], request["InferenceComponentName"]
    address = component_address(endpoint, component)
    try:
        routers = fleets.routers(address)
    except NoSuchFleetError:
        if endpoint not in fleets.addresses:
            raise no_such_endpoint(name, context.account) from None
        raise _not_found(request) from None
    variants = [variant for router in routers for variant in router.variants]
    if variants and not any(variant.instances for variant in variants):
        _count_failure(context, component)
        raise ApiError("ValidationError", _NO_CAPACITY)
    return address


def no_component(context: Context, request: dict[str, Any]) -> ApiError:
    """Return the error of a request that leads nowhere: no component named, or all is gone."""
    name = request["EndpointName"]
    if f"{context.account}/{context.region}/{name}" not in context.platform.fleets.addresses:
        return no_such_endpoint(name, context.account)
    if "InferenceComponentName" in request:
        return _not_found(request)
    return ApiError("ValidationError", _NAME_MISSING)


def _not_found(request: dict[str, Any]) -> ApiError:
    return ApiError(
        "ValidationError",
        f"Inference component {request['InferenceComponentName']} is not found in endpoint"
        f" {request['EndpointName']}.",
    )


def _count_failure(context: Context, component: str) -> None:
    series = Series(
        *(context.account, context.region, "AWS/SageMaker"),
        *("NoCapacityInvocationFailures", "None"),
        (("InferenceComponentName", component),),
    )
    minute_sums_of(context.platform).add(series, context.now, 1.0)
