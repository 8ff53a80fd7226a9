"""What Autotune fills in: ranges, limits, early stopping, retries, when to end.

Source: the API reference of Autotune and AutoParameter. Ranges are those that the algorithm's page
recommends, narrowed around the example value that a caller gives.
"""

from __future__ import annotations

import math
from typing import Any

from sagebrush.algorithms import resolve_image
from sagebrush.algorithms.card import load_attribute
from sagebrush.algorithms.hyperparameter_fields import Categorical as CategoricalField
from sagebrush.algorithms.hyperparameter_fields import Field
from sagebrush.algorithms.hyperparameter_fields import Integer as IntegerField
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.tuning.ranges import MOST_TUNED

# How far around an example value is searched.
_FACTOR = 10.0
_RETRIES = 3
_TRIALS_PER_PARAMETER = 10
_LEAST_TRIALS = 20
_MOST_TRIALS = 100
# How long a trial trains: worth tuning only where the caller asks for it.
_EFFORT = ("num_round", "epochs", "num_boost_round", "iterations", "max_iterations")

Ranges = dict[str, list[dict[str, Any]]]


def with_autotune(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with what Autotune fills in; as it is where Autotune is not enabled.

    Raises:
        ApiError: ValidationException for AutoParameters without Autotune.
    """
    config = request["HyperParameterTuningJobConfig"]
    if request.get("Autotune", {}).get("Mode") != "Enabled":
        _refuse_auto_parameters(request)
        return request
    if "TrainingJobDefinitions" in request:
        documents = [
            _resolved(each, each.get("HyperParameterRanges"), "HyperParameterRanges")
            for each in request["TrainingJobDefinitions"]
        ]
        resolved: dict[str, Any] = {
            "TrainingJobDefinitions": [document for document, _ in documents]
        }
        ranges = [each for _, each in documents]
        filled = dict(config)
    else:
        document = request["TrainingJobDefinition"]
        given = config.get("ParameterRanges") or document.get("HyperParameterRanges")
        single, own = _resolved(document, given, None)
        single.pop("HyperParameterRanges", None)
        resolved = {"TrainingJobDefinition": single}
        ranges = [own]
        filled = {**config, "ParameterRanges": own}
    _fill(filled, ranges, several="TrainingJobDefinitions" in request)
    return {**request, **resolved, "HyperParameterTuningJobConfig": filled}


def _refuse_auto_parameters(request: dict[str, Any]) -> None:
    documents = request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]
    places = [request["HyperParameterTuningJobConfig"].get("ParameterRanges", {})]
    places += [document.get("HyperParameterRanges", {}) for document in documents]
    if any(place.get("AutoParameters") for place in places):
        raise faults.invalid("AutoParameters can only be specified when Autotune is enabled.")


def _resolved(
    document: dict[str, Any], given: dict[str, Any] | None, place: str | None
) -> tuple[dict[str, Any], Ranges]:
    """A definition with its retries and static hyperparameters, and its ranges."""
    image = document["AlgorithmSpecification"]["TrainingImage"]
    schema: Schema = load_attribute(resolve_image(image).card.hyperparameters)
    static = dict(document.get("StaticHyperParameters", {}))
    ranges: Ranges = {
        name: list(items) for name, items in (given or {}).items() if name != "AutoParameters"
    }
    named = {each["Name"] for items in ranges.values() for each in items}
    hints = {each["Name"]: each["ValueHint"] for each in (given or {}).get("AutoParameters", ())}
    for name, hint in hints.items():
        auto = _tunable(schema, name)
        if name in named:
            continue
        if auto is None or not _add(ranges, auto, name, hint):
            # Not eligible: it keeps the example value.
            static[name] = hint
    if not any(ranges.values()):
        for field in _worth_tuning(schema, static):
            _add(ranges, field, field.name, None)
    filled = {"RetryStrategy": {"MaximumRetryAttempts": _RETRIES}} | document
    if static:
        filled["StaticHyperParameters"] = static
    return (filled if place is None else {**filled, place: ranges}), ranges


def _tunable(schema: Schema, name: str) -> Field | None:
    try:
        field = schema.field(name)
    except KeyError:
        return None
    return field if field.tunable else None


def _worth_tuning(schema: Schema, static: dict[str, str]) -> list[Field]:
    """The tunable hyperparameters that the caller has not set."""
    return [
        field
        for field in schema.fields
        if field.tunable
        and field.range() is not None
        and not {field.name, *field.aliases} & static.keys()
        and (field.required or field.name not in _EFFORT)
    ][:MOST_TUNED]


def _add(ranges: Ranges, field: Field, name: str, hint: str | None) -> bool:
    """Add the field's range; whether it has one."""
    described = field.range()
    if described is None:
        return False
    (kind,) = described
    if kind == "CategoricalParameterRangeSpecification":
        values = [value for value in described[kind]["Values"] if _fits(field, value)]
        if len(values) < 2:
            return False
        item: dict[str, Any] = {"Name": name, "Values": values}
        ranges.setdefault("CategoricalParameterRanges", []).append(item)
        return True
    low, high = float(described[kind]["MinValue"]), float(described[kind]["MaxValue"])
    whole = isinstance(field, IntegerField)
    low, high = _around(low, high, hint, whole=whole)
    item = {
        "Name": name,
        "MinValue": _text(low, whole=whole),
        "MaxValue": _text(high, whole=whole),
        "ScalingType": "Auto",
    }
    ranges.setdefault(
        "IntegerParameterRanges" if whole else "ContinuousParameterRanges", []
    ).append(item)
    return True


def _fits(field: Field, value: str) -> bool:
    # A word beside the choices, such as "auto", is a value like the others.
    return not isinstance(field, CategoricalField) or value in (*field.words, *field.choices)


def _around(low: float, high: float, hint: str | None, *, whole: bool) -> tuple[float, float]:
    """The part of a range around an example value; all of it without one."""
    if hint is None:
        return low, high
    try:
        value = float(hint.strip('"'))
    except ValueError:
        return low, high
    if not math.isfinite(value) or value <= 0:
        return low, high
    least, most = max(low, value / _FACTOR), min(high, value * _FACTOR)
    if whole:
        least, most = math.ceil(least), math.floor(most)
    return (least, most) if least < most else (low, high)


def _text(value: float, *, whole: bool) -> str:
    return str(int(value)) if whole else repr(float(value))


def _fill(config: dict[str, Any], ranges: list[Ranges], *, several: bool) -> None:
    """Fill in what the tuning job as a whole lacks."""
    size = max(sum(len(items) for items in each.values()) for each in ranges)
    limits = dict(config["ResourceLimits"])
    if config["Strategy"] != "Grid":
        wanted = min(max(_TRIALS_PER_PARAMETER * size, _LEAST_TRIALS), _MOST_TRIALS)
        limits.setdefault("MaxNumberOfTrainingJobs", wanted)
    config["ResourceLimits"] = limits
    stops = config["Strategy"] != "Hyperband" and not several
    config.setdefault("TrainingJobEarlyStoppingType", "Auto" if stops else "Off")
    config.setdefault(
        "TuningJobCompletionCriteria", {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    )
