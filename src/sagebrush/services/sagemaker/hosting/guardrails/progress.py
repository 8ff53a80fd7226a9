"""How far a deployment is: kept in the endpoint's row, so that a new server goes on from there.

`state["deployment"]` has the policy, the phase, the number of the stage, since when the phase
lasts, until when a bake does and when it is too late for everything (clock moments, epoch
seconds), and why the deployment is led back once it is. How much of a variant takes traffic
(`share`) and how many of its instances are there (`present`, and `wanted` while that changes) is
in the items of both fleets.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker.hosting.guardrails.policies import timeout_s
from sagebrush.services.sagemaker.hosting.guardrails.stages import (
    Policy,
    Stage,
    instances,
    is_rolling,
    stages_of,
)
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import counts, is_shadow, name_of, present

CREATING = "Creating"
ACTIVATING = "ActivatingTraffic"
BAKING = "Baking"
DELETING = "Deleting"
ROLLING_BACK = "RollingBack"

# What only a deployment under way has in the items of its variants.
_PASSING = ("share", "present", "wanted", "base")


def begin(endpoint: Resource, target: dict[str, Any], policy: Policy, now: float) -> None:
    """Note a deployment of `target` in the row; nothing of it has been done."""
    limit_s = timeout_s(policy)
    for item in target["variants"]:
        item["share"] = 0.0
        if is_rolling(policy):
            item["present"] = 0
    endpoint.state.pop("failure_reason", None)
    endpoint.state["target"] = target
    endpoint.state["deployment"] = {
        "policy": dict(policy),
        "phase": CREATING,
        "stage": 0,
        "since": now,
        "deadline": None if limit_s is None else now + limit_s,
    }


def stages(endpoint: Resource) -> list[Stage]:
    """Return all stages of the deployment under way."""
    deployment = endpoint.state["deployment"]
    return stages_of(deployment["policy"], counts(endpoint.state["target"]["variants"]))


def stage(endpoint: Resource) -> Stage:
    """Return the stage that the deployment is in."""
    number: int = endpoint.state["deployment"]["stage"]
    return stages(endpoint)[number]


def is_last(endpoint: Resource) -> bool:
    """Whether the deployment is in its last stage."""
    return bool(endpoint.state["deployment"]["stage"] == len(stages(endpoint)) - 1)


def wanted_of_new(endpoint: Resource) -> dict[str, int]:
    """Return how many instances each new variant has to have in this stage."""
    deployment, target = endpoint.state["deployment"], endpoint.state["target"]
    if not is_rolling(deployment["policy"]):
        return counts(target["variants"])
    shares = stage(endpoint).shares
    return {
        name_of(item): instances(shares[name_of(item)], item["count"])
        for item in target["variants"]
    }


def wanted_of_old(state: dict[str, Any]) -> dict[str, int]:
    """Return how many instances the old variants need for the traffic they still take."""
    return {
        name_of(item): instances(item.get("share", 1.0), item["count"])
        for item in state["variants"]
    }


def shift(endpoint: Resource, shares: dict[str, float]) -> None:
    """Write down that so much of the new variants takes traffic, and as much less of the old."""
    target = endpoint.state["target"]
    for item in target["variants"]:
        item["share"] = shares[name_of(item)]
    production = [item for item in target["variants"] if not is_shadow(item)]
    total = sum(item["weight"] for item in production) or 1.0
    overall = sum(item["weight"] * item["share"] for item in production) / total
    for state in old_states(endpoint):
        for item in state["variants"]:
            # Old variants that have no successor go as the whole does.
            gone = shares.get(name_of(item), overall)
            item["share"] = item.get("base", 1.0) * (1.0 - gone)


def old_states(endpoint: Resource) -> list[dict[str, Any]]:
    """Return what served before the deployment: one state, or two where an earlier one stuck."""
    state = endpoint.state
    return [state, *([state["mixed"]] if "mixed" in state else [])]


def settle(state: dict[str, Any]) -> None:
    """Forget of a state what only a deployment needs: its variants are whole."""
    for item in state["variants"]:
        for name in _PASSING:
            item.pop(name, None)


def note_instances(state: dict[str, Any], wanted: dict[str, int]) -> None:
    """Write down how many instances are to be; the number they had counts until it is so."""
    for item in state["variants"]:
        item["present"] = present(item)
        item["wanted"] = wanted[name_of(item)]


def confirm_instances(state: dict[str, Any]) -> None:
    """Write down that the instances which were to be are."""
    for item in state["variants"]:
        if "wanted" in item:
            item["present"] = item.pop("wanted")
