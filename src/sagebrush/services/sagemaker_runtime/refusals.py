"""Refusals of invocations, in AWS's words where those are known."""

from __future__ import annotations

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Platform

# Under which name the queues of a server's asynchronous endpoints are found among its workers.
QUEUES = "asynchronous endpoints"


def no_such_endpoint(name: str, account: str) -> ApiError:
    """There is no endpoint of that name."""
    return ApiError("ValidationError", f"Endpoint {name} of account {account} not found.")


def wrong_kind(name: str, kind: str) -> ApiError:
    """An asynchronous endpoint is invoked as any other, or the other way round."""
    return ApiError(
        "ValidationError", f"Endpoint {name} of type {kind} does not support this inference type."
    )


def check_kind(platform: Platform, address: str, name: str) -> None:
    """Refuse an invocation of an asynchronous endpoint that waits for the answer.

    Raises:
        ApiError: ValidationError.
    """
    if is_asynchronous(platform, address):
        raise wrong_kind(name, "Asynchronous")


def is_asynchronous(platform: Platform, address: str) -> bool:
    """Whether an asynchronous endpoint is at an address."""
    queues = platform.workers.get(QUEUES)
    return queues is not None and queues.find(address) is not None
