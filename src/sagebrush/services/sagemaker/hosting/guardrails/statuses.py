"""The VariantStatus of variants that are being deployed or changed.

Statuses and messages are those of the developer guide's page on EventBridge ("Endpoint deployment
state change"), which has an example of each.
"""

from __future__ import annotations

from typing import Any

from sagebrush.services.sagemaker.hosting.guardrails import progress
from sagebrush.services.sagemaker.hosting.guardrails.stages import instances
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of, present

_Status = list[dict[str, Any]]


def status_of_creation(item: dict[str, Any], since: float) -> _Status:
    """Return the status of a variant of an endpoint that is being created."""
    return _status("Creating", f"Launching {item['count']} instance(s).", since)


def status_of_change(item: dict[str, Any], since: float) -> _Status | None:
    """Return the status of a variant whose number of instances changes; None when it does not."""
    wanted = item.get("wanted", item["count"])
    if wanted == item["count"]:
        return None
    direction = "out" if wanted > item["count"] else "in"
    return _status("Updating", f"Scaling {direction} desired instance count to {wanted}.", since)


def status_of_new(endpoint: Resource, item: dict[str, Any]) -> _Status:
    """Return the status of a variant of the new fleet."""
    deployment = endpoint.state["deployment"]
    phase, since = deployment["phase"], deployment["since"]
    if phase == progress.ROLLING_BACK:
        return _status("Deleting", f"Terminating {present(item)} instance(s).", since)
    stage = progress.stage(endpoint)
    active = instances(stage.shares[name_of(item)], item["count"])
    if phase == progress.CREATING:
        launching = progress.wanted_of_new(endpoint)[name_of(item)]
        if item["share"] > 0:
            launching -= present(item)
        return _status("Creating", f"Launching {launching} instance(s).", since)
    if phase == progress.ACTIVATING:
        message = f"Activating traffic on {stage.extent} of {active} instance(s)."
        return _status("ActivatingTraffic", message, since)
    if phase == progress.BAKING:
        message = (
            f"Baking for {stage.wait_s:g} seconds ({stage.waits_for}) with traffic enabled on"
            f" {stage.extent} of {active} instance(s)."
        )
        return _status("Baking", message, since)
    return _status("Deleting", f"Terminating {_going(endpoint, item)} instance(s).", since)


def _going(endpoint: Resource, item: dict[str, Any]) -> int:
    """Return how many old instances of a variant a stage ends."""
    return sum(
        present(old) - instances(old.get("share", 1.0), old["count"])
        for state in progress.old_states(endpoint)
        for old in state["variants"]
        if name_of(old) == name_of(item)
    )


def _status(status: str, message: str, since: float) -> _Status:
    return [{"Status": status, "StatusMessage": message, "StartTime": since}]
