"""Operations that fail because a user wants to see what happens then."""

from __future__ import annotations

from sagebrush.base.errors import ApiError
from sagebrush.engines.injection import Fault, Injection
from sagebrush.wire import Route, load

# The codes that services have for the same; the first that is an error of the service's model.
_THROTTLED = (
    *("ThrottlingException", "ThrottledException", "RequestThrottled"),
    "TooManyRequestsException",
)
_FAILED = (
    *("InternalFailure", "InternalServerException", "InternalServerError", "InternalServiceError"),
    *("InternalServiceFault", "InternalErrorException", "InternalServiceException"),
    *("KMSInternalException", "ServerException", "InternalException", "ServiceFailureException"),
)
_QUERY = frozenset({"query", "ec2"})
_FAILURE = "The request processing has failed because of an unknown error, exception or failure."


def injected_error(injection: Injection, routed: Route, account: str) -> ApiError | None:
    """Return the error that a fault gives an operation instead of its answer; usually none."""
    target = f"{routed.service}:{routed.operation}"
    fault = injection.strike(injection.operations, account, target)
    if fault is None:
        return None
    return _throttled(routed) if fault.kind == "throttle" else _failed(routed, fault)


def _throttled(routed: Route) -> ApiError:
    if routed.service == "s3":
        return ApiError("SlowDown", "Please reduce your request rate.", status=503)
    code = _modelled(routed, _THROTTLED) or (
        "Throttling" if routed.protocol in _QUERY else "ThrottlingException"
    )
    return ApiError(code, "Rate exceeded", status=None if _has(routed, code) else 400)


def _failed(routed: Route, fault: Fault) -> ApiError:
    if routed.service == "s3":
        code, message = "InternalError", "We encountered an internal error. Please try again."
    else:
        code, message = _modelled(routed, _FAILED) or "InternalFailure", _FAILURE
    given = fault.options
    return ApiError(
        given.get("code", code), given.get("message", message), status=given.get("status", 500)
    )


def _modelled(routed: Route, codes: tuple[str, ...]) -> str | None:
    return next((code for code in codes if _has(routed, code)), None)


def _has(routed: Route, code: str) -> bool:
    return code in load(routed.service).error_shapes
