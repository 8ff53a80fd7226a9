"""What the variants of an endpoint are: copied whole, so that nothing done later touches them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagebrush.engines.fleets import Place
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.containers import containers_of, names_of
from sagebrush.services.sagemaker.hosting.records import Resource


def state_of(
    context: Context,
    config_name: str,
    config: dict[str, Any],
    items: list[dict[str, Any]],
    generation: int,
) -> dict[str, Any]:
    """Return what an endpoint's row says of what it serves; no generation may come twice."""
    return {
        "generation": generation,
        "config_name": config_name,
        "config": config,
        "variants": items,
        "begun": context.now,
    }


def items_of(context: Context, config: Resource) -> list[dict[str, Any]]:
    """Copy all that an endpoint will serve out of its configuration and the models.

    Raises:
        ApiError: ValidationException naming the model that there is none of.
    """
    production = [
        _item(context, config, variant) for variant in config.request["ProductionVariants"]
    ]
    shadows = [
        _item(context, config, variant) | {"shadow": True}
        for variant in config.request.get("ShadowProductionVariants", ())
    ]
    return production + shadows


def is_shadow(item: dict[str, Any]) -> bool:
    """Whether a variant only gets copies of the requests to the production variant."""
    return bool(item.get("shadow", False))


def name_of(item: dict[str, Any]) -> str:
    """Return the name of an item's variant."""
    name: str = item["variant"]["VariantName"]
    return name


def counts(items: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many instances each variant has when nothing is under way."""
    return {name_of(item): item["count"] for item in items}


def present(item: dict[str, Any]) -> int:
    """Return how many instances of a variant are up, or shall be once the server is."""
    count: int = item.get("present", item["count"])
    return count


def fleet_of(endpoint: Resource, state: dict[str, Any]) -> str:
    """Return the name of the fleet that serves a state of an endpoint."""
    # The creation time keeps an endpoint apart from an earlier one of the same name.
    return f"{address_of(endpoint)}/{endpoint.created}/{state['generation']}"


def address_of(endpoint: Resource) -> str:
    """Return where invocations of an endpoint go; the runtime service makes the same."""
    return f"{endpoint.account}/{endpoint.region}/{endpoint.name}"


def container_keys(item: dict[str, Any]) -> list[str]:
    """Return the names that the containers of a variant have within an instance."""
    return names_of(item["containers"])


def states_of(endpoint: Resource) -> Iterator[dict[str, Any]]:
    """Yield every state an endpoint has a fleet for, or is to have.

    The one it serves, the one that a deployment which could not be rolled back has left beside it
    (`mixed`), and the one that the deployment under way leads to (`target`).
    """
    yield endpoint.state
    for beside in ("mixed", "target"):
        if beside in endpoint.state:
            yield endpoint.state[beside]


def places(endpoint: Resource, state: dict[str, Any]) -> Iterator[Place]:
    """Yield the places of all model servers that a state needs."""
    fleet = fleet_of(endpoint, state)
    for item in state["variants"]:
        # Those that are coming up are needed, too, and those that are to go are still there.
        for ordinal in range(max(present(item), item.get("wanted", 0), _processes(item))):
            for key in container_keys(item):
                yield Place(fleet, name_of(item), ordinal, key)


def _processes(item: dict[str, Any]) -> int:
    """Return how many processes a serverless variant may have; 0 of one with instances."""
    config = item.get("serverless", item["variant"].get("ServerlessConfig", {}))
    number: int = config.get("MaxConcurrency", 0)
    return number


def _item(context: Context, config: Resource, variant: dict[str, Any]) -> dict[str, Any]:
    if "ModelName" not in variant:
        return _item_without_model(context, variant)
    model = records.get(context, records.MODEL, variant["ModelName"])
    isolated = (
        model.request.get("EnableNetworkIsolation", False)
        or config.request.get("EnableNetworkIsolation", False)
    )  # fmt: skip
    return {
        "variant": variant,
        "containers": containers_of(model.request),
        "mode": model.request.get("InferenceExecutionConfig", {}).get("Mode", "Serial"),
        "weight": variant.get("InitialVariantWeight", 1.0),
        # What stands for all processes of a serverless variant counts as one instance.
        "count": variant.get("InitialInstanceCount", 1),
        "network_isolation": isolated,
        "resolved": context.now,
    }


def _item_without_model(context: Context, variant: dict[str, Any]) -> dict[str, Any]:
    """Return a variant whose instances are for inference components."""
    return {
        "variant": variant,
        "containers": [],
        "mode": "Serial",
        "weight": variant.get("InitialVariantWeight", 1.0),
        "count": variant.get("InitialInstanceCount", 1),
        "network_isolation": False,
        "resolved": context.now,
    }
