"""A variant of an endpoint as its invocations see it.

The sagemaker service hangs a `Served` on every variant it deploys (`Variant.traits`); the runtime
service finds it there with each request, and so looks nothing up that is not in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagebrush.engines.fleets import (
    Answer,
    FleetError,
    Fleets,
    Instance,
    NoSuchFleetError,
    Variant,
)

# What AWS calls the container of a variant that has only one, in messages.
SOLE_CONTAINER = "primary"


class LoadRefusedError(FleetError):
    """A model server did not take a model; `answer` is what it said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode("utf-8", "replace"))
        self.answer = answer


class ManyModels(Protocol):
    """The models of a multi-model container on the instances of a variant."""

    def choose(self, variant: Variant, instance: Instance, model: str) -> Instance:
        """Return the instance that shall answer for `model`: `instance`, or one that has it."""

    def use(self, instance: Instance, model: str) -> AbstractAsyncContextManager[str]:
        """Have the model loaded on an instance meanwhile; gives the name it has there.

        Raises:
            ApiError: ModelNotReadyException when that takes too long, ValidationError when there
                is no such model, or it is no archive.
            LoadRefusedError: the model server does not take it.
            FleetError: the model server gave no answer.
        """


@dataclass(frozen=True)
class ServedContainer:
    """A container of a variant.

    `key` finds its model server in `Instance.servers`, `name` is the one that users know, and
    `definition` is the ContainerDefinition. `models` is there where requests name one of many
    models that it serves.
    """

    key: str
    name: str
    definition: Mapping[str, Any]
    models: ManyModels | None = None


@dataclass(frozen=True)
class Served:
    """What invocations need to know of a variant.

    `config` is the endpoint configuration's request and `variant` its production variant.
    `direct` says that requests name the container they are for, instead of going through all.
    """

    account: str
    region: str
    endpoint: str
    config_name: str
    config: Mapping[str, Any]
    variant: Mapping[str, Any]
    containers: tuple[ServedContainer, ...]
    direct: bool = False
    # When the endpoint was created: what tells it from an earlier one of its name.
    created: float = 0.0
    # Whether it only gets copies of requests, whose answers nobody sees.
    is_shadow: bool = False
    # The inference component whose copies these are, where the endpoint hosts such.
    component: str | None = None
    # The variant that gets copies of the requests to this one.
    shadow: str | None = field(init=False)
    # Whether an invocation is nothing but a request to one model server and its answer.
    plain: bool = field(init=False)
    # Whether what it is asked and answers may have to be captured.
    captured: bool = field(init=False)
    # Whether it is plain and nobody else learns of what it is asked and answers.
    prompt: bool = field(init=False)

    @property
    def many_models(self) -> ManyModels | None:
        """The models of the container that has many, if one has."""
        return next((each.models for each in self.containers if each.models is not None), None)

    def __post_init__(self) -> None:
        """Find out once what every request would have to ask."""
        object.__setattr__(self, "plain", len(self.containers) == 1 and not self.many_models)
        shadows = () if self.is_shadow else self.config.get("ShadowProductionVariants", ())
        name = shadows[0]["VariantName"] if shadows else None
        object.__setattr__(self, "shadow", name)
        capture = self.config.get("DataCaptureConfig", {"EnableCapture": False})
        object.__setattr__(self, "captured", capture.get("EnableCapture", True))
        prompt = self.plain and not self.captured and self.shadow is None
        object.__setattr__(self, "prompt", prompt)


def component_address(endpoint_address: str, component: str) -> str:
    """Return where invocations of an inference component go.

    The address of an endpoint that hosts components leads nowhere itself.
    """
    return f"{endpoint_address}#{component}"


def served_at(fleets: Fleets, address: str) -> Served | None:
    """Return what is served at an address, of the newest fleet there; None while none is up."""
    try:
        routers = fleets.routers(address)
    except NoSuchFleetError:
        return None
    traits = [each.traits for router in routers for each in router.variants]
    return next((each for each in reversed(traits) if isinstance(each, Served)), None)
