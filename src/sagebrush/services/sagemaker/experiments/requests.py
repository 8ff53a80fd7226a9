"""What a request about an inference experiment must be."""

from __future__ import annotations

from typing import Any, NamedTuple

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of

_DEFAULT_S = 7 * 86_400.0
# The guide page "Create a shadow test".
_SHORTEST_S = 3600.0
_LONGEST_S = 30 * 86_400.0
_RETAIN, _REMOVE, _PROMOTE = "Retain", "Remove", "Promote"


class Schedule(NamedTuple):
    """From when to when an experiment runs, in epoch seconds."""

    start: float
    end: float


def schedule_of(given: dict[str, Any], now: float) -> Schedule:
    """Return when an experiment that is asked for now begins and ends.

    Raises:
        ApiError: ValidationException when that is too short, too long or over.
    """
    start = max(now, given.get("StartTime", now))
    end = given.get("EndTime", start + _DEFAULT_S)
    return checked(Schedule(start, end))


def checked(schedule: Schedule) -> Schedule:
    """Return a schedule that AWS would take.

    Raises:
        ApiError: ValidationException when it is too short or too long.
    """
    duration_s = schedule.end - schedule.start
    if duration_s < _SHORTEST_S:
        raise faults.invalid("The duration of an inference experiment must be at least 1 hour.")
    if duration_s > _LONGEST_S:
        raise faults.invalid("The duration of an inference experiment must be at most 30 days.")
    return schedule


def started_early(schedule: Schedule, now: float) -> Schedule:
    """Return the schedule of an experiment that starts now; it lasts for 30 days at most."""
    return Schedule(now, min(schedule.end, now + _LONGEST_S))


def check_variants(context: Context, request: dict[str, Any], endpoint: Resource) -> None:
    """Check that an experiment names one production variant of its endpoint, and one shadow.

    Raises:
        ApiError: ValidationException naming what is wrong.
    """
    source, shadow = variant_names(request)
    named = [variant["VariantName"] for variant in request["ModelVariants"]]
    if source == shadow:
        raise faults.invalid("The shadow variant must have another name than the source variant.")
    if sorted(named) != sorted((source, shadow)):
        raise faults.invalid(
            f"ModelVariants must have the variants of ShadowModeConfig, {source} and {shadow}, and"
            " no others."
        )
    if source not in (name_of(item) for item in endpoint.state["variants"]):
        raise faults.invalid(f'Could not find variant "{source}" of endpoint "{endpoint.arn}".')
    for variant in request["ModelVariants"]:
        records.get(context, records.MODEL, variant["ModelName"])


def variant_names(request: dict[str, Any]) -> tuple[str, str]:
    """Return the names of the source variant and of the shadow variant."""
    config = request["ShadowModeConfig"]
    shadow: str = config["ShadowModelVariants"][0]["ShadowModelVariantName"]
    return config["SourceModelVariantName"], shadow


def check_actions(request: dict[str, Any], experiment: dict[str, Any]) -> None:
    """Check what shall become of the variants of an experiment that is stopped.

    Raises:
        ApiError: ValidationException when they are other variants, or that cannot be.
    """
    source, shadow = variant_names(experiment)
    actions = request["ModelVariantActions"]
    for name in actions:
        if name not in (source, shadow):
            raise faults.invalid(f"The inference experiment has no variant {name}.")
    if actions.get(source) == _PROMOTE:
        raise faults.invalid(f"Variant {source} is the production variant already.")
    if actions.get(source) == _REMOVE and actions.get(shadow) != _PROMOTE:
        raise faults.invalid(
            f"Variant {source} can only be removed when variant {shadow} is promoted."
        )
    if actions.get(shadow) == _PROMOTE and actions.get(source, _REMOVE) != _REMOVE:
        raise faults.invalid(
            f"Variant {shadow} can only be promoted when variant {source} is removed."
        )
    for variant in request.get("DesiredModelVariants", []):
        if variant["VariantName"] not in (source, shadow):
            raise faults.invalid(
                f"The inference experiment has no variant {variant['VariantName']}."
            )


def is_promotion(actions: dict[str, str]) -> bool:
    """Whether the shadow variant becomes the production variant."""
    return _PROMOTE in actions.values()


def retains_all(actions: dict[str, str]) -> bool:
    """Whether both variants stay as they are."""
    return list(actions.values()) == [_RETAIN, _RETAIN]


def conflict(name: str, status: str, wanted: str) -> ApiError:
    """Return the error of an operation that comes too early or too late."""
    return ApiError(
        "ConflictException",
        f"Inference experiment {name} is in status {status}; this needs status {wanted}.",
    )
