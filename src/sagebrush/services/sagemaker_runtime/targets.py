"""What a request may say of whom it is for, given what a variant is."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker_runtime.failures import no_such_variant
from sagebrush.services.served import Served

# Members that only kinds of endpoints know which there are none of.
_UNSUPPORTED = ("EnableExplanations",)
_TARGETS = frozenset(("TargetModel", "TargetContainerHostname", *_UNSUPPORTED))


def check_targets(served: Served, request: dict[str, Any], request_id: str) -> None:
    """Check that a request names what it must of a variant, and nothing else.

    Raises:
        ApiError: ValidationError in AWS's words, where those are known.
    """
    name = request.get("TargetVariant")
    if served.is_shadow and name == served.variant["VariantName"]:
        raise no_such_variant(name, served.endpoint)
    if served.plain and _TARGETS.isdisjoint(request):
        return
    for member in _UNSUPPORTED:
        if member in request:
            raise _refused(f"{member} is not supported by this server.")
    _check_container(served, request, request_id)
    _check_model(served, request, request_id)


def _check_container(served: Served, request: dict[str, Any], request_id: str) -> None:
    name = request.get("TargetContainerHostname")
    if not served.direct:
        if name is not None:
            raise _refused(
                f"Endpoint {served.endpoint} is not a multi-container endpoint with direct"
                " invocation and does not support target container hostname header."
            )
    elif name is None:
        raise _refused(f"Request {request_id} is missing a target container hostname header.")
    elif all(container.name != name for container in served.containers):
        raise _refused(f"Container {name} is not found in endpoint {served.endpoint}.")


def _check_model(served: Served, request: dict[str, Any], request_id: str) -> None:
    """A model is named where the container has many that the request is for, or goes through."""
    name = request.get("TargetContainerHostname")
    asked = [each for each in served.containers if not served.direct or each.name == name]
    has_many = any(container.models is not None for container in asked)
    if "TargetModel" in request and not has_many:
        raise _refused(
            f"Endpoint {served.endpoint} is not a multi-model endpoint and does not support target"
            " model header."
        )
    if has_many and "TargetModel" not in request:
        raise _refused(f"Request {request_id} is missing a target model header.")


def _refused(message: str) -> ApiError:
    return ApiError("ValidationError", message)
