"""How a variant comes to its answer: which of an instance's model servers are asked for what."""

from __future__ import annotations

from typing import Any, NamedTuple

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import Answer, FleetError, Instance, Variant, compose
from sagebrush.services.served import SOLE_CONTAINER, Served

TIMEOUT_S = 60.0
# Members of InvokeEndpoint that the model server sees, and the headers they become.
_PASSED_HEADERS = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
}
# Members that only some kinds of endpoints know.
_SPECIAL = (
    "TargetModel",
    "TargetContainerHostname",
    "InferenceComponentName",
    "SessionId",
    "EnableExplanations",
)


class Reply(NamedTuple):
    """What a variant answered, and the name of the container whose answer it is."""

    answer: Answer
    container: str


class Exchange:
    """One invocation: asks the chosen instance, and another one if that dies over it.

    `request` is InvokeEndpoint's, or has the members of it that there are.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        headers = [
            (header, request[member])
            for member, header in _PASSED_HEADERS.items()
            if member in request
        ]
        self._message = compose("POST", "/invocations", headers, request.get("Body", b""))

    async def __call__(self, variant: Variant, instance: Instance) -> Reply:
        """Return the reply of an instance of a variant.

        Raises:
            ApiError: the request asks for what the variant has not.
            FleetError: there is no answer; its container is named.
        """
        served: Served = variant.traits
        for member in _SPECIAL:
            if member in self._request:
                raise ApiError("ValidationError", f"{member} is not supported by this server.")
        name = served.containers[0].name if served else SOLE_CONTAINER
        try:
            return Reply(await instance.sole.request(self._message, TIMEOUT_S), name)
        except FleetError as error:
            error.container = name
            raise
