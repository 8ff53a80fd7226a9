"""What a component's row says of what it serves: one version, or two while it is updated.

A version is a dictionary: `generation` (none comes twice), `spec` (the specification), `container`
(a copy of the container definition), `isolated`, and `copies`, how many are up or shall be once
the server is. While the number changes, `wanted` is what it becomes. `share` is the part of the
requests that a version gets during an update.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from sagebrush.engines.fleets import Place
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of
from sagebrush.services.served import component_address
from sagebrush.store.database import Database

Version = dict[str, Any]
# The statuses of a component that may answer requests.
SERVING = ("InService", "Updating")


def address_of(component: Resource) -> str:
    """Return where invocations of a component go."""
    endpoint = component.request["EndpointName"]
    return component_address(f"{component.account}/{component.region}/{endpoint}", component.name)


def fleet_of(component: Resource, version: Version) -> str:
    """Return the name of the fleet that serves a version of a component."""
    # It begins as those of the endpoint do; the creation time tells components of one name apart.
    endpoint = f"{component.account}/{component.region}/{component.request['EndpointName']}"
    return f"{endpoint}/component/{component.name}/{component.created}/{version['generation']}"


def versions_of(component: Resource) -> Iterator[Version]:
    """Yield every version a component has a fleet for, or is to have."""
    yield component.state
    if "target" in component.state:
        yield component.state["target"]


def places(component: Resource, version: Version) -> Iterator[Place]:
    """Yield the places of all model servers that a version needs."""
    fleet, variant = fleet_of(component, version), component.request["VariantName"]
    # Those that are coming up are needed, too, and those that are to go are still there.
    for ordinal in range(max(version["copies"], version.get("wanted", 0))):
        yield Place(fleet, variant, ordinal)


def current_copies(component: Resource) -> int:
    """Return how many copies of a component are up."""
    if component.status not in SERVING:
        return 0
    return sum(version["copies"] for version in versions_of(component))


def endpoint_of(db: Database, component: Resource) -> Resource | None:
    """Return the endpoint that hosts a component."""
    name = component.request["EndpointName"]
    return records.find(db, records.ENDPOINT, component.account, component.region, name)


def variant_item(endpoint: Resource, component: Resource) -> dict[str, Any] | None:
    """Return what an endpoint's row says of the variant that hosts a component."""
    name = component.request["VariantName"]
    items: list[dict[str, Any]] = endpoint.state["variants"]
    return next((item for item in items if name_of(item) == name), None)


def hosts_components(state: dict[str, Any]) -> bool:
    """Whether the variants of a state have no models: components bring them."""
    return any(not item["containers"] for item in state["variants"])


class Kept(NamedTuple):
    """Places of model servers, and names of model folders, that must not be cleared away."""

    places: list[Place]
    folders: set[str]


def kept_of_components(db: Database) -> Kept:
    """Return what the components of all accounts need."""
    alive = records.with_status(db, records.INFERENCE_COMPONENT, ("Creating", "Deleting", *SERVING))
    pairs = [(component, version) for component in alive for version in versions_of(component)]
    return Kept(
        [place for pair in pairs for place in places(*pair)],
        {folder_name(*pair) for pair in pairs},
    )


def folder_name(component: Resource, version: Version) -> str:
    """Return the name of the folder that the model of a version lies in."""
    return hashlib.sha256(fleet_of(component, version).encode()).hexdigest()[:16]
