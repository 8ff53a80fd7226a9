"""Why an endpoint or its update failed, as FailureReason says it."""

from __future__ import annotations

from sagebrush.base.errors import ApiError, SagebrushError
from sagebrush.engines.fleets import StartError

# AWS's limit of the member.
LONGEST_REASON = 1024
# What may go wrong with an endpoint without being a defect of this program.
TROUBLE = (SagebrushError, OSError)


def failure_reason(error: Exception) -> str:
    """Return the FailureReason of an endpoint."""
    return _words(error)[:LONGEST_REASON]


def _words(error: Exception) -> str:
    if isinstance(error, StartError):
        variant = "" if error.variant is None else f" {error.variant.name}"
        names = ", ".join(filter(None, error.containers)) or "primary"
        noun = "container" if len(error.containers) < 2 else "containers"
        return (
            f"The {names} {noun} for production variant{variant} did not pass the ping health"
            f" check. Please check CloudWatch logs for this endpoint. Its last line: {error}"
        )
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, TROUBLE):
        return str(error)
    return f"InternalServerError: {type(error).__name__}: {error}"
