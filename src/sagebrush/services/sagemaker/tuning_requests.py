"""What AWS refuses of a CreateHyperParameterTuningJob beyond the constraints of the model."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.training_requests import check_training_request
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.stopping import EPOCH_NAMES, inferred_maximum
from sagebrush.tuning.grid import grid_size
from sagebrush.tuning.spaces import SpaceError

_UNSUPPORTED = ("WarmStartConfig", "Autotune")


def checked_tuning_request(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with what the service fills in.

    Raises:
        ApiError: ValidationException for the first thing that AWS, or this server, refuses.
    """
    for member in _UNSUPPORTED:
        if request.get(member):
            raise faults.unsupported(member)
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise faults.invalid(
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be specified."
        )
    try:
        definitions = definitions_of(request)
    except SpaceError as error:
        raise faults.invalid(f"Invalid hyperparameter range: {error}.") from error
    for definition in definitions:
        child = definition.training_request(request["HyperParameterTuningJobName"], {})
        check_training_request(context, child)
    _check_strategy(request)
    return _with_limits(request, definitions)


def _check_strategy(request: dict[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig")
    if config["Strategy"] != "Hyperband":
        if given is not None:
            raise faults.invalid("HyperbandStrategyConfig can only be used with Hyperband.")
        return
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise faults.invalid("TrainingJobEarlyStoppingType must be Off for the strategy Hyperband.")
    maximum = (given or {}).get("MaxResource") or inferred_maximum(request)
    if maximum is None:
        raise faults.invalid(
            "MaxResource is required for the strategy Hyperband: no static hyperparameter tells"
            f" the number of epochs (one of {', '.join(EPOCH_NAMES)})."
        )
    minimum = (given or {}).get("MinResource", 1)
    if minimum > maximum:
        raise faults.invalid(f"MinResource {minimum} is greater than MaxResource {maximum}.")


def _with_limits(request: dict[str, Any], definitions: list[Definition]) -> dict[str, Any]:
    config = request["HyperParameterTuningJobConfig"]
    limits = dict(config["ResourceLimits"])
    if config["Strategy"] == "Grid":
        try:
            size = sum(grid_size(definition.space) for definition in definitions)
        except SpaceError as error:
            raise faults.invalid(f"Invalid hyperparameter range: {error}.") from error
        if limits.setdefault("MaxNumberOfTrainingJobs", size) != size:
            raise faults.invalid(
                f"MaxNumberOfTrainingJobs must be {size}, the number of combinations of a grid"
                " search, or be left out."
            )
    elif "MaxNumberOfTrainingJobs" not in limits:
        raise faults.invalid("MaxNumberOfTrainingJobs is required.")
    return {**request, "HyperParameterTuningJobConfig": {**config, "ResourceLimits": limits}}
