"""A tuning job's request as what a search works with: spaces, objectives, children's requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagebrush.services.sagemaker.jobs.logs import OBJECTIVE_HYPERPARAMETER
from sagebrush.services.sagemaker.tuning.instances import resources_of
from sagebrush.tuning.spaces import (
    Categorical,
    Continuous,
    Integer,
    Parameter,
    Space,
    SpaceError,
    scaling_of,
)

_PASSED_ON = (
    "RoleArn",
    "InputDataConfig",
    "VpcConfig",
    "OutputDataConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


@dataclass(frozen=True)
class Definition:
    """One kind of training job that a tuning job tries.

    `name` is empty for the only definition of a tuning job. `sign` is 1 where less is better and
    -1 where more is: the objective times the sign is to be made small.
    """

    name: str
    space: Space
    metric: str
    direction: str
    document: dict[str, Any]

    @property
    def sign(self) -> float:
        """What the objective is multiplied with so that less is better."""
        return 1.0 if self.direction == "Minimize" else -1.0

    def training_request(self, name: str, tuned: Mapping[str, str]) -> dict[str, Any]:
        """Return the CreateTrainingJob of a trial with these tuned hyperparameters."""
        given = self.document
        algorithm = given["AlgorithmSpecification"]
        static = given.get("StaticHyperParameters", {})
        passed_on = {member: given[member] for member in _PASSED_ON if member in given}
        if "CheckpointConfig" in given:
            passed_on["CheckpointConfig"] = _own_checkpoints(given["CheckpointConfig"], name)
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": dict(algorithm),
            "HyperParameters": {**static, OBJECTIVE_HYPERPARAMETER: self.metric, **tuned},
            "ResourceConfig": resources_of(given)[0],
            **passed_on,
        }


def _own_checkpoints(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return where a trial keeps its checkpoints: it must not go on from another one's model."""
    return {**config, "S3Uri": f"{config['S3Uri'].rstrip('/')}/{name}"}


def definitions_of(request: dict[str, Any]) -> list[Definition]:
    """Return what a tuning job tries: one definition, or those of TrainingJobDefinitions.

    Raises:
        SpaceError: a range that cannot be searched.
    """
    config = request["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" in request:
        document = request["TrainingJobDefinition"]
        ranges = config.get("ParameterRanges") or document.get("HyperParameterRanges") or {}
        objective = config.get("HyperParameterTuningJobObjective") or document["TuningObjective"]
        return [_definition(document, ranges, objective)]
    return [
        _definition(each, each.get("HyperParameterRanges", {}), each["TuningObjective"])
        for each in request["TrainingJobDefinitions"]
    ]


def _definition(
    document: dict[str, Any], ranges: dict[str, Any], objective: dict[str, str]
) -> Definition:
    return Definition(
        name=document.get("DefinitionName", ""),
        space=space_of(ranges),
        metric=objective["MetricName"],
        direction=objective["Type"],
        document=document,
    )


def space_of(ranges: dict[str, Any]) -> Space:
    """Return the space of ParameterRanges: continuous, integer, then categorical parameters.

    Raises:
        SpaceError: a bound is no number, is above the other, or does not go with the scaling.
    """
    parameters: list[Parameter] = []
    for each in ranges.get("ContinuousParameterRanges", ()):
        low, high = _bounds(each)
        scaling = scaling_of(
            each["Name"], each.get("ScalingType", "Auto"), low, high, integer=False
        )
        parameters.append(Continuous(each["Name"], low, high, scaling))
    for each in ranges.get("IntegerParameterRanges", ()):
        low, high = _bounds(each)
        if low != int(low) or high != int(high):
            raise SpaceError(f"{each['Name']}: the bounds of an integer parameter are integers")
        scaling = scaling_of(each["Name"], each.get("ScalingType", "Auto"), low, high, integer=True)
        parameters.append(Integer(each["Name"], int(low), int(high), scaling))
    parameters += [
        Categorical(each["Name"], tuple(each["Values"]))
        for each in ranges.get("CategoricalParameterRanges", ())
    ]
    return Space(tuple(parameters))


def _bounds(each: dict[str, str]) -> tuple[float, float]:
    try:
        low, high = float(each["MinValue"]), float(each["MaxValue"])
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpaceError(
            f"{each['Name']}: MinValue {each['MinValue']!r} and MaxValue {each['MaxValue']!r} must"
            " be numbers"
        )
    if not low <= high:
        raise SpaceError(f"{each['Name']}: MinValue {low:g} is greater than MaxValue {high:g}")
    return low, high
