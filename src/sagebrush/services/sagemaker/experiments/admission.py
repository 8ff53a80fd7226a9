"""Which endpoints can have an experiment, and when.

Developer guide: "Exclusions" of shadow tests; "Create a shadow test": one shadow variant per
endpoint, and then one production variant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context, Platform
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.experiments.requests import Schedule, check_variants
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.asynchronous import is_asynchronous
from sagebrush.services.sagemaker.hosting.containers import containers_of, is_multi_model
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import is_serverless
from sagebrush.services.sagemaker.hosting.variants import is_shadow

ENDED = ("Completed", "Cancelled")
ALIVE = ("Creating", "Created", "Updating", "Starting", "Running", "Stopping")


def check_admitted(context: Context, request: dict[str, Any], endpoint: Resource) -> None:
    """Check that an endpoint, and the models of an experiment, can have a shadow test.

    Raises:
        ApiError: ValidationException naming what is wrong.
    """
    check_variants(context, request, endpoint)
    production = [item for item in endpoint.state["variants"] if not is_shadow(item)]
    if is_asynchronous(endpoint.state["config"]):
        raise _excluded("asynchronous endpoints")
    if any(is_serverless(item["variant"]) for item in production):
        raise _excluded("serverless endpoints")
    if any("ModelName" not in item["variant"] for item in production):
        raise _excluded("endpoints of inference components")
    if len(production) > 1:
        raise faults.invalid(
            "An endpoint with a shadow variant can have only one production variant; endpoint"
            f' "{endpoint.arn}" has {len(production)}.'
        )
    models = [
        records.get(context, records.MODEL, variant["ModelName"]).request
        for variant in request["ModelVariants"]
    ]
    sets = [*(item["containers"] for item in production), *map(containers_of, models)]
    if any(len(containers) > 1 for containers in sets):
        raise _excluded("models of multiple containers")
    if any(is_multi_model(container) for containers in sets for container in containers):
        raise _excluded("multi-model endpoints")


def rival(context: Context, experiment: Resource, schedule: Schedule) -> str | None:
    """Return the name of another experiment of the same endpoint in a time, if there is one.

    What each restores at its end would be the other's otherwise.
    """
    for other in _others(context.platform, experiment):
        begun, ending = other.state["start"], other.status == "Stopping"
        if not ending and begun < schedule.end and schedule.start < other.state["end"]:
            return other.name
    return None


def predecessors(platform: Platform, experiment: Resource) -> list[Resource]:
    """Return the experiments that have still to give the endpoint back to what it was."""
    now = platform.clock.now()
    return [
        other
        for other in _others(platform, experiment)
        if other.status == "Stopping"
        or (other.status in ("Running", "Updating") and other.state["end"] <= now)
    ]


def _others(platform: Platform, experiment: Resource) -> Iterator[Resource]:
    place = experiment.account, experiment.region
    for other in records.with_status(platform.db, records.INFERENCE_EXPERIMENT, ALIVE):
        is_here = (other.account, other.region) == place and other.name != experiment.name
        if is_here and other.request["EndpointName"] == experiment.request["EndpointName"]:
            yield other


def _excluded(feature: str) -> ApiError:
    return faults.invalid(f"Shadow tests do not support {feature}.")
