"""A variant of an endpoint as its invocations see it.

The sagemaker service hangs a `Served` on every variant it deploys (`Variant.traits`); the runtime
service finds it there with each request, and so looks nothing up that is not in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What AWS calls the container of a variant that has only one, in messages.
SOLE_CONTAINER = "primary"


@dataclass(frozen=True)
class ServedContainer:
    """A container of a variant.

    `key` finds its model server in `Instance.servers`, `name` is the one that users know, and
    `definition` is the ContainerDefinition.
    """

    key: str
    name: str
    definition: Mapping[str, Any]


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
    # Whether an invocation is nothing but a request to one model server and its answer.
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        """Find out once what every request would have to ask."""
        object.__setattr__(self, "plain", len(self.containers) == 1)
