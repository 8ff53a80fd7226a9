"""How a variant comes to its answer: which of an instance's model servers are asked for what."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from sagebrush.engines.fleets import (
    Answer,
    FleetError,
    Instance,
    Outcome,
    ServerLostError,
    Variant,
    compose,
)
from sagebrush.services.container_chain import Link, Message, ask_in_turn
from sagebrush.services.sagemaker_runtime.sessions import SESSION_HEADER
from sagebrush.services.sagemaker_runtime.targets import check_targets
from sagebrush.services.served import LoadRefusedError, Served, ServedContainer

TIMEOUT_S = 60.0
# What one container of a pipeline may pass on to the next (inference-pipeline-troubleshoot.md).
_PASSED_ON_BYTES = 5 << 20
_NOT_LOADED = 404
_REMEMBERED_HEADS = 256
_TARGET_MODEL_HEADER = "x-amzn-sagemaker-target-model"
# Members of InvokeEndpoint that the model server sees, and the headers they become.
_PASSED_HEADERS = {
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
    "SessionId": SESSION_HEADER,
}
_NEGOTIATED_HEADERS = {"ContentType": "content-type", "Accept": "accept"}


class Reply(NamedTuple):
    """What a variant answered, and the name of the container whose answer it is.

    `latencies` has the seconds each container took where a variant has several.
    """

    answer: Answer
    container: str
    latencies: tuple[tuple[str, float], ...] = ()


class Exchange:
    """One invocation: asks the chosen instance, and another one if that dies over it.

    `request` is InvokeEndpoint's, or has the members of it that there are.
    """

    def __init__(
        self, request: dict[str, Any], request_id: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        self._request = request
        self._request_id = request_id
        self._timeout_s = timeout_s
        self._message = b""
        self._outcome: Outcome | None = None
        # The key of the instance that was asked last.
        self.instance_key = ""

    async def __call__(self, variant: Variant, instance: Instance) -> Reply:
        """Return the reply of an instance of a variant.

        Raises:
            ApiError: the request asks for what the variant has not.
            FleetError: there is no answer; its container is named.
        """
        served: Served = variant.traits
        self.instance_key = instance.key
        check_targets(served, self._request, self._request_id)
        if served.plain:
            return await self._ask(served.containers[0], instance)
        return await self._ask_several(served, variant, instance)

    @property
    def message(self) -> bytes:
        """The request to the only container of a plain variant."""
        if not self._message:
            request = self._request
            body = request.get("Body", b"")
            self._message = _head(request) + b"%d\r\n\r\n%b" % (len(body), body)
        return self._message

    def begin_with(self, outcome: Outcome) -> None:
        """Take this for what becomes of asking a plain variant's instance the first time."""
        self._outcome = outcome

    async def _ask(self, container: ServedContainer, instance: Instance) -> Reply:
        outcome, self._outcome = self._outcome, None
        try:
            if isinstance(outcome, FleetError):
                raise outcome
            if outcome is None:
                outcome = await instance.sole.request(self.message, self._timeout_s)
            return Reply(outcome, container.name)
        except FleetError as error:
            error.container = container.name
            raise

    async def _ask_several(self, served: Served, variant: Variant, instance: Instance) -> Reply:
        """Have several containers answer, or one that has to load the model first."""
        request = self._request
        containers = served.containers
        if served.direct:
            target = request["TargetContainerHostname"]
            containers = tuple(each for each in containers if each.name == target)
        message = Message(
            request.get("ContentType"),
            request.get("Accept"),
            _headers(request, _PASSED_HEADERS),
            request.get("Body", b""),
        )
        models = served.many_models
        if models is not None and "TargetModel" in request:
            instance = models.choose(variant, instance, request["TargetModel"])
            self.instance_key = instance.key
        async with AsyncExitStack() as stack:
            try:
                links = [await self._link(stack, each, instance) for each in containers]
            except LoadRefusedError as error:
                return Reply(error.answer, error.container)
            incarnations = [link.server.incarnation for link in links]
            reply = await ask_in_turn(links, message, self._timeout_s, _PASSED_ON_BYTES)
        now = [link.server.incarnation for link in links]
        if reply.answer.status == _NOT_LOADED and models is not None and now != incarnations:
            raise ServerLostError("the model was loaded in a process that has ended")
        return Reply(*reply)

    async def _link(
        self, stack: AsyncExitStack, container: ServedContainer, instance: Instance
    ) -> Link:
        server = instance.servers[container.key]
        if container.models is None:
            return Link(container.name, server)
        target = self._request["TargetModel"]
        try:
            name = await stack.enter_async_context(container.models.use(instance, target))
        except FleetError as error:
            error.container = container.name
            raise
        path = f"/models/{name}/invoke"
        return Link(container.name, server, path, [(_TARGET_MODEL_HEADER, target)])


# What requests begin with that differ in their bodies only.
_heads: dict[tuple[str | None, str | None], bytes] = {}


def _head(request: dict[str, Any]) -> bytes:
    """Return the head of a request to a model server up to the length of its body."""
    if not _PASSED_HEADERS.keys().isdisjoint(request):
        return _composed_head(request)
    key = request.get("ContentType"), request.get("Accept")
    found = _heads.get(key)
    if found is None:
        if len(_heads) >= _REMEMBERED_HEADS:
            _heads.clear()
        found = _heads[key] = _composed_head(request)
    return found


def _composed_head(request: dict[str, Any]) -> bytes:
    return compose("POST", "/invocations", passed_headers(request)).removesuffix(b"0\r\n\r\n")


def passed_headers(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the headers that a model server gets of a request."""
    return [*_headers(request, _NEGOTIATED_HEADERS), *_headers(request, _PASSED_HEADERS)]


def _headers(request: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    return [(header, request[member]) for member, header in names.items() if member in request]
