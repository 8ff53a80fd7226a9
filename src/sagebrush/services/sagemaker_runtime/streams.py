"""InvokeEndpointWithResponseStream: the model's answer part by part, as it is made.

Sources: botocore's model; the guide pages "How containers serve requests" (a container streams by
answering with chunked transfer) and "Invoke models for real-time inference".
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    FleetError,
    Instance,
    NoSuchInstanceError,
    NotReadyError,
    ServerTimeoutError,
    StreamedAnswer,
    Variant,
    compose,
)
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker_runtime.components import address_of_component
from sagebrush.services.sagemaker_runtime.exchanges import TIMEOUT_S, passed_headers
from sagebrush.services.sagemaker_runtime.failures import bad_answer, check_size, no_answer
from sagebrush.services.sagemaker_runtime.refusals import check_kind, wrong_kind
from sagebrush.services.sagemaker_runtime.request_metrics import count
from sagebrush.services.sagemaker_runtime.sessions import instance_of_session, no_session
from sagebrush.services.sagemaker_runtime.targets import check_targets
from sagebrush.services.served import Served, ServedContainer

# The longest that a whole stream may take.
_STREAM_LIMIT_S = 480.0

_log = logging.getLogger(__name__)


class _Begun:
    """An answer that has begun, and whose it is."""

    def __init__(self, answer: StreamedAnswer, container: ServedContainer) -> None:
        self.answer = answer
        self.container = container


async def invoke_endpoint_with_response_stream(
    context: Context, request: dict[str, Any]
) -> dict[str, Any]:
    """Send the body to a model server and pass its answer on as it comes."""
    check_size(request)
    name = request["EndpointName"]
    address = f"{context.account}/{context.region}/{name}"
    check_kind(context.platform, address, name)
    if "InferenceComponentName" in request:
        address = address_of_component(context, request, address)

    async def ask(variant: Variant, instance: Instance) -> _Begun:
        return await _begin(context, request, variant, instance)

    started = time.perf_counter()
    try:
        begun, variant = await context.platform.fleets.invoke(
            address,
            ask,
            target=request.get("TargetVariant"),
            instance_key=instance_of_session(context, request),
        )
    except NoSuchInstanceError:
        raise no_session(request["SessionId"], name) from None
    except FleetError as error:
        if error.variant is not None and not isinstance(error, NotReadyError):
            count(context, name, error.variant, 0, started)
        raise no_answer(context, request, error) from None
    answer = begun.answer
    if not 200 <= answer.status < 300:
        body = await _whole(answer)
        count(context, name, variant, answer.status, started)
        raise bad_answer(context, request, begun.container.name, answer.status, body)
    return {
        "Body": _events(context, name, variant, begun, started),
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant.name,
        "CustomAttributes": answer.headers.get("x-amzn-sagemaker-custom-attributes"),
    }


async def _begin(
    context: Context, request: dict[str, Any], variant: Variant, instance: Instance
) -> _Begun:
    served: Served = variant.traits
    check_targets(served, request, context.request_id)
    if "ServerlessConfig" in served.variant:
        raise wrong_kind(request["EndpointName"], "Serverless")
    container = _container(served, request)
    message = compose("POST", "/invocations", passed_headers(request), request.get("Body", b""))
    try:
        answer = await instance.servers[container.key].stream(message, TIMEOUT_S)
    except FleetError as error:
        error.container = container.name
        raise
    return _Begun(answer, container)


def _container(served: Served, request: dict[str, Any]) -> ServedContainer:
    """Return the container that streams: the only one, or the one that is asked for.

    Raises:
        ApiError: ValidationError when the answer would not be that of one model alone.
    """
    containers = served.containers
    if served.direct:
        target = request["TargetContainerHostname"]
        containers = tuple(each for each in containers if each.name == target)
    if len(containers) > 1 or containers[0].models is not None:
        raise ApiError(
            "ValidationError",
            f"Endpoint {served.endpoint} has an inference pipeline or many models; only single"
            " containers stream their responses. Use InvokeEndpoint.",
        )
    return containers[0]


async def _events(
    context: Context, name: str, variant: Variant, begun: _Begun, started: float
) -> AsyncIterator[dict[str, Any]]:
    """Yield the parts of an answer; the invocation is counted when it is over."""
    status = 0
    try:
        async for part in begun.answer.parts(_STREAM_LIMIT_S):
            yield {"PayloadPart": {"Bytes": part}}
        status = begun.answer.status
    except ServerTimeoutError:
        raise _stream_error(
            "ModelInvocationTimeExceeded",
            f"The response of container {begun.container.name} took longer than"
            f" {_STREAM_LIMIT_S:g} seconds.",
        ) from None
    except FleetError as error:
        raise _stream_error("StreamBroken", str(error)) from None
    except Exception as error:
        # The answer has begun: only an event can still tell the client that something failed.
        _log.exception("a response stream failed (%s)", context.request_id)
        message = f"The server's log has the reason under {context.request_id}."
        raise ApiError("InternalStreamFailure", message) from error
    finally:
        begun.answer.close()
        count(context, name, variant, status, started)


async def _whole(answer: StreamedAnswer) -> bytes:
    """Return an error's text; what is missing of it does not matter."""
    try:
        return await answer.whole(TIMEOUT_S)
    except FleetError:
        return b""
    finally:
        answer.close()


def _stream_error(code: str, message: str) -> ApiError:
    return ApiError("ModelStreamError", message, Message=message, ErrorCode=code)
