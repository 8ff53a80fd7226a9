"""What AWS refuses of a CreateHyperParameterTuningJob beyond the constraints of the model."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.images import resolved
from sagebrush.services.sagemaker.training_requests import check_training_request
from sagebrush.services.sagemaker.tuning.autotune import with_autotune
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.instances import resources_of
from sagebrush.services.sagemaker.tuning.limits import HYPERBAND_RESOURCE, check_limits
from sagebrush.services.sagemaker.tuning.objectives import check_objective
from sagebrush.services.sagemaker.tuning.ranges import check_ranges
from sagebrush.services.sagemaker.tuning.stopping import EPOCH_NAMES, inferred_maximum
from sagebrush.tuning.grid import grid_size
from sagebrush.tuning.spaces import SpaceError

_SINGLE_INSTANCE = ("InstanceType", "InstanceCount", "VolumeSizeInGB")


def checked_tuning_request(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with what the service fills in.

    Raises:
        ApiError: ValidationException for the first thing that AWS, or this server, refuses,
            ResourceLimitExceeded for more than an account may have.
    """
    _check_definitions(request)
    for document in _documents(request):
        _check_image(document)
        _check_resources(document)
    request = with_autotune(request)
    try:
        definitions = definitions_of(request)
    except SpaceError as error:
        raise faults.invalid(f"Invalid hyperparameter range: {error}.") from error
    _check_searched(request, definitions)
    for definition in definitions:
        child = definition.training_request(request["HyperParameterTuningJobName"], {})
        for resources in resources_of(definition.document):
            check_training_request(context, child | {"ResourceConfig": resources})
    _check_strategy(request)
    request = _with_limits(request, definitions)
    check_limits(context, request["HyperParameterTuningJobConfig"])
    return request


def _documents(request: dict[str, Any]) -> list[dict[str, Any]]:
    return request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]


def _check_definitions(request: dict[str, Any]) -> None:
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise faults.invalid(
            "Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be specified."
        )
    config = request["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" in request:
        document = request["TrainingJobDefinition"]
        _check_one_place(config, document, "ParameterRanges", "HyperParameterRanges")
        _check_one_place(config, document, "HyperParameterTuningJobObjective", "TuningObjective")
        if "HyperParameterTuningJobObjective" not in config and "TuningObjective" not in document:
            raise faults.invalid("HyperParameterTuningJobObjective is required.")
        return
    for member in ("ParameterRanges", "HyperParameterTuningJobObjective"):
        if member in config:
            raise faults.invalid(
                f"HyperParameterTuningJobConfig.{member} cannot be used with"
                " TrainingJobDefinitions; specify it in each training job definition."
            )
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise faults.invalid(
            "TrainingJobEarlyStoppingType must be Off with TrainingJobDefinitions: early stopping"
            " is only available when tuning a single algorithm."
        )
    _check_several(request["TrainingJobDefinitions"])


def _check_one_place(
    config: dict[str, Any], document: dict[str, Any], member: str, other: str
) -> None:
    if member in config and other in document:
        raise faults.invalid(
            f"Only one of HyperParameterTuningJobConfig.{member} and"
            f" TrainingJobDefinition.{other} can be specified."
        )


def _check_several(documents: list[dict[str, Any]]) -> None:
    names = [document.get("DefinitionName", "") for document in documents]
    if not all(names):
        raise faults.invalid("DefinitionName is required in each of TrainingJobDefinitions.")
    if len(set(names)) != len(names):
        raise faults.invalid("DefinitionName must be unique within TrainingJobDefinitions.")
    if any("TuningObjective" not in document for document in documents):
        raise faults.invalid("TuningObjective is required in each of TrainingJobDefinitions.")
    if len({document["TuningObjective"]["Type"] for document in documents}) > 1:
        raise faults.invalid(
            "TuningObjective.Type must be the same in all TrainingJobDefinitions, so that their"
            " training jobs can be compared."
        )


def _check_image(document: dict[str, Any]) -> None:
    """Check that there is an image and that it is one that runs here, before asking about it."""
    specification = document["AlgorithmSpecification"]
    if "AlgorithmName" not in specification and "TrainingImage" in specification:
        resolved(specification["TrainingImage"])
        return
    if "AlgorithmName" in specification and "TrainingImage" not in specification:
        raise faults.unsupported("AlgorithmSpecification.AlgorithmName")
    raise faults.invalid(
        "Exactly one of AlgorithmSpecification.TrainingImage and AlgorithmName must be specified."
    )


def _check_resources(document: dict[str, Any]) -> None:
    """Check that the definition says in one way on what its training jobs run."""
    wanted = document.get("HyperParameterTuningResourceConfig")
    if (wanted is None) == ("ResourceConfig" not in document):
        raise faults.invalid(
            "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig must be"
            " specified."
        )
    if wanted is None:
        return
    given = [member for member in _SINGLE_INSTANCE if member in wanted]
    if "InstanceConfigs" not in wanted:
        if "AllocationStrategy" in wanted:
            raise faults.invalid("AllocationStrategy can only be used with InstanceConfigs.")
        if not {"InstanceType", "InstanceCount"} <= set(given):
            raise faults.invalid(
                "HyperParameterTuningResourceConfig must specify InstanceConfigs, or InstanceType"
                " and InstanceCount."
            )
    elif given:
        raise faults.invalid(
            f"{given[0]} cannot be specified together with InstanceConfigs in"
            " HyperParameterTuningResourceConfig."
        )


def _check_searched(request: dict[str, Any], definitions: list[Definition]) -> None:
    for definition in definitions:
        check_ranges(definition)
        check_objective(definition)
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Grid":
        return
    sizes = [definition.space.size for definition in definitions]
    wanted = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 0)
    total = sum(size for size in sizes if size is not None)
    if None not in sizes and total < wanted:
        raise faults.invalid(
            "You don't have enough combinations of hyperparameter ranges. The total number of"
            f" hyperparameter combinations for the provided ranges [{float(total)}] must be equal"
            f" or greater than the value of MaxNumberOfJobs, [{wanted}]. Provide additional ranges."
        )


def _check_strategy(request: dict[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] != "Hyperband":
        if "StrategyConfig" in config:
            raise faults.invalid(
                "StrategyConfig can only be specified when the strategy is Hyperband."
            )
        return
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise faults.invalid("TrainingJobEarlyStoppingType must be Off for the strategy Hyperband.")
    given = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    maximum = given.get("MaxResource") or inferred_maximum(request)
    if maximum is None:
        raise faults.invalid(
            "MaxResource is required for the strategy Hyperband: no static hyperparameter tells"
            f" the number of epochs (one of {', '.join(EPOCH_NAMES)})."
        )
    if maximum > HYPERBAND_RESOURCE:
        raise faults.invalid(
            f"MaxResource {maximum} is greater than {HYPERBAND_RESOURCE}, the most that the"
            " strategy Hyperband supports."
        )
    minimum = given.get("MinResource", 1)
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
