"""Which copies are on which instances: reserved in the database before any process starts.

Nothing here awaits, so that two components never take the same room. Instances are numbers: 0 up
to how many the variant has. Where `ManagedInstanceScaling` is on, they are as many as are needed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.capacity import require_instances
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.rooms import Room, need_of, pack, room_of
from sagebrush.services.sagemaker.hosting.components.versions import (
    Version,
    endpoint_of,
    variant_item,
)
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of
from sagebrush.store.database import Database

_OWN = "account = ? AND region = ? AND component = ?"


class NoRoomError(SagebrushError):
    """The instances of an endpoint cannot take more copies; the message is a FailureReason."""


def reserve(
    platform: Platform, component: Resource, version: Version, number: int, *, least: int = -1
) -> int:
    """Reserve room for the copies 0 to `number` of a version; return how many have it now.

    Fewer than `number` will do if they are at least `least`.

    Raises:
        NoRoomError: there is not enough, and nothing was reserved.
        InsufficientCapacity: the instances that it takes cannot be had.
    """
    endpoint = endpoint_of(platform.db, component)
    item = None if endpoint is None else variant_item(endpoint, component)
    if endpoint is None or item is None:
        raise NoRoomError("The endpoint of the inference component does not exist any more.")
    present = copies(platform.db, component, version)
    missing = number - present
    if missing <= 0:
        return present
    taken = _taken(platform.db, endpoint, item)
    own = Counter(_instances(platform.db, component))
    existing, possible = _instances_of(_lasting(endpoint, item), set(taken))
    chosen: list[int] = []
    for count in range(len(existing), len(possible) + 1):
        free = _free(item, taken, possible[:count])
        chosen = pack(free, own, need_of(version["spec"]), missing, spread=_spreads(version))
        if len(chosen) == missing:
            break
    if len(chosen) < missing and (least < 0 or present + len(chosen) < least):
        raise NoRoomError(_no_room(component, item, version, number))
    if not set(chosen) <= set(existing):
        name = item["variant"]["VariantName"]
        require_instances(platform, component.account, endpoint.name, name)
    _insert(platform.db, component, version, chosen, present)
    return present + len(chosen)


def release(db: Database, component: Resource, version: Version, number: int = 0) -> None:
    """Give the room of all copies of a version back but of the first `number`."""
    with db.atomically():
        db.execute(
            f"DELETE FROM sagemaker_component_copies WHERE {_OWN} AND generation = ?"
            " AND ordinal >= ?",
            (*_key(component), version["generation"], number),
        )


def copies(db: Database, component: Resource, version: Version) -> int:
    """Return how many copies of a version have room."""
    row = db.one(
        f"SELECT count(*) AS number FROM sagemaker_component_copies WHERE {_OWN}"
        " AND generation = ?",
        (*_key(component), version["generation"]),
    )
    return 0 if row is None else int(row["number"])


def instance_count(db: Database, endpoint: Resource, item: dict[str, Any]) -> int:
    """Return how many instances a variant of an endpoint has at present."""
    if not is_managed(item) or not has_components(db, endpoint):
        count: int = item["count"]
        return count
    return len(_instances_of(item, set(_taken(db, endpoint, item)))[0])


def used_instances(db: Database, endpoint: Resource, item: dict[str, Any]) -> list[int]:
    """Return the numbers of the instances that have copies."""
    return sorted(_taken(db, endpoint, item))


def most_instances(item: dict[str, Any]) -> int:
    """Return how many instances a variant can have for its components."""
    most: int = item.get("wanted", item["count"])
    if is_managed(item):
        most = item["variant"]["ManagedInstanceScaling"].get("MaxInstanceCount", most)
    return most


def has_components(db: Database, endpoint: Resource) -> bool:
    """Whether an endpoint has inference components, in whatever status."""
    found = db.one(
        "SELECT 1 FROM sagemaker_hosting WHERE kind = ? AND account = ? AND region = ?"
        " AND json_extract(CAST(request AS TEXT), '$.EndpointName') = ? LIMIT 1",
        (
            records.INFERENCE_COMPONENT.arn_name,
            *(endpoint.account, endpoint.region, endpoint.name),
        ),
    )
    return found is not None


def _instances_of(item: dict[str, Any], used: set[int]) -> tuple[list[int], list[int]]:
    """Return the instances a variant has, and all it may have: those that it has come first."""
    if not is_managed(item):
        present = list(range(item["count"]))
        return present, present
    scaling = item["variant"]["ManagedInstanceScaling"]
    least = scaling.get("MinInstanceCount", 1)
    most = max(least, most_instances(item))
    unused = [number for number in range(most + len(used)) if number not in used]
    order = sorted(used) + unused
    return order[: max(least, len(used))], order[: max(most, len(used))]


def _lasting(endpoint: Resource, item: dict[str, Any]) -> dict[str, Any]:
    """Return a variant with no more instances than it will have when all is done."""
    after = endpoint.state.get("target", {}).get("variants", ())
    counts = [each["count"] for each in after if name_of(each) == name_of(item)]
    return item | {"count": min(item["count"], item.get("wanted", item["count"]), *counts)}


def is_managed(item: dict[str, Any]) -> bool:
    """Whether a variant gets and loses instances by what its components need."""
    scaling = item["variant"].get("ManagedInstanceScaling")
    return scaling is not None and scaling.get("Status", "ENABLED") == "ENABLED"


def _spreads(version: Version) -> bool:
    scheduling = version["spec"].get("SchedulingConfig", {})
    return bool(scheduling.get("PlacementStrategy", "SPREAD") == "SPREAD")


def _free(item: dict[str, Any], taken: dict[int, Room], instances: list[int]) -> dict[int, Room]:
    whole, nothing = room_of(item["variant"]), Room(0.0, 0.0, 0.0)
    return {number: whole.less(taken.get(number, nothing)) for number in instances}


def _taken(db: Database, endpoint: Resource, item: dict[str, Any]) -> dict[int, Room]:
    rows = db.all(
        "SELECT instance, sum(cpus) AS cpus, sum(accelerators) AS accelerators,"
        " sum(memory_mb) AS memory_mb FROM sagemaker_component_copies"
        " WHERE account = ? AND region = ? AND endpoint = ? AND variant = ? GROUP BY instance",
        (endpoint.account, endpoint.region, endpoint.name, item["variant"]["VariantName"]),
    )
    return {
        row["instance"]: Room(row["cpus"], row["accelerators"], row["memory_mb"]) for row in rows
    }


def _instances(db: Database, component: Resource) -> list[int]:
    rows = db.all(f"SELECT instance FROM sagemaker_component_copies WHERE {_OWN}", _key(component))
    return [row["instance"] for row in rows]


def _insert(
    db: Database, component: Resource, version: Version, chosen: list[int], first: int
) -> None:
    need = need_of(version["spec"])
    request = component.request
    with db.atomically():
        db.execute_many(
            "INSERT INTO sagemaker_component_copies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *_key(component),
                    *(version["generation"], ordinal, request["EndpointName"]),
                    *(request["VariantName"], instance, *need),
                )
                for ordinal, instance in enumerate(chosen, start=first)
            ],
        )


def _key(component: Resource) -> tuple[str, str, str]:
    return component.account, component.region, component.name


def _no_room(component: Resource, item: dict[str, Any], version: Version, number: int) -> str:
    need = need_of(version["spec"])
    variant = item["variant"]
    return (
        f"There is not enough capacity on the instances of production variant"
        f" {variant['VariantName']} for {number} copies of inference component {component.name}:"
        f" each copy requires {need.cpus:g} CPU cores, {need.accelerators:g} accelerator devices"
        f" and {need.memory_mb:g} MB of memory of an instance of type {variant['InstanceType']}."
        " Reduce the copy count or the required resources, or add instances to the endpoint."
    )
