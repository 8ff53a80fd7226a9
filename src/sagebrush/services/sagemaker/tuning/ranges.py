"""Whether what a tuning job searches goes with its algorithm and with itself."""

from __future__ import annotations

from collections import Counter

from sagebrush.algorithms import resolve_image
from sagebrush.algorithms.card import load_attribute
from sagebrush.algorithms.hyperparameter_fields import Continuous as ContinuousField
from sagebrush.algorithms.hyperparameter_fields import Field
from sagebrush.algorithms.hyperparameter_fields import Integer as IntegerField
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.jobs.logs import OBJECTIVE_HYPERPARAMETER
from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.tuning.spaces import Categorical, Continuous, Parameter

MOST_TUNED = 30
_MOST_HYPERPARAMETERS = 100


def check_ranges(definition: Definition) -> None:
    """Raise ApiError for hyperparameters that cannot be tuned, or not like this."""
    tuned = [parameter.name for parameter in definition.space.parameters]
    static = definition.document.get("StaticHyperParameters", {})
    if not tuned:
        raise faults.invalid(
            "ParameterRanges must have at least one hyperparameter to tune, unless Autotune is"
            " enabled."
        )
    if len(tuned) > MOST_TUNED:
        raise faults.invalid(
            f"The number of hyperparameters that can be searched is {MOST_TUNED}, but"
            f" ParameterRanges has {len(tuned)}."
        )
    if repeated := [name for name, count in Counter(tuned).items() if count > 1]:
        raise faults.invalid(f"The hyperparameters {repeated} have more than one range.")
    if both := [name for name in tuned if name in static]:
        raise faults.invalid(
            f"Hyperparameters cannot be both static and tunable: {both} are in"
            " StaticHyperParameters and in ParameterRanges."
        )
    if OBJECTIVE_HYPERPARAMETER in (*tuned, *static):
        raise faults.invalid(
            f"The hyperparameter {OBJECTIVE_HYPERPARAMETER} is set by the tuning job."
        )
    # The tuning job adds one to them.
    if len(tuned) + len(static) + 1 > _MOST_HYPERPARAMETERS:
        raise faults.invalid(
            f"Static and tunable hyperparameters, with {OBJECTIVE_HYPERPARAMETER}, can be"
            f" {_MOST_HYPERPARAMETERS} at most, but there are {len(tuned) + len(static) + 1}."
        )
    _check_against_algorithm(definition)


def _check_against_algorithm(definition: Definition) -> None:
    image = definition.document["AlgorithmSpecification"]["TrainingImage"]
    card = resolve_image(image).card
    schema: Schema = load_attribute(card.hyperparameters)
    fields: dict[str, str] = {}
    for parameter in definition.space.parameters:
        try:
            field = schema.field(parameter.name)
        except KeyError:
            raise faults.invalid(
                f"The hyperparameter [{parameter.name}] isn't valid for the [{image}] algorithm."
            ) from None
        # JumpStart's images are containers like any other to AWS's tuner: its notebooks search
        # num_boost_round and early_stopping_rounds, which the developer guide does not list.
        if not field.tunable and not card.model_ids:
            raise faults.invalid(
                f"The hyperparameter [{parameter.name}] isn't tunable for the [{image}] algorithm."
            )
        if field.name in fields:
            raise faults.invalid(
                f"The hyperparameters [{fields[field.name]}] and [{parameter.name}] are the same"
                f" one of the [{image}] algorithm."
            )
        fields[field.name] = parameter.name
        if problem := _problem(field, parameter):
            raise faults.invalid(
                f"The range of the hyperparameter [{parameter.name}] isn't valid for the [{image}]"
                f" algorithm: {problem}."
            )


def _problem(field: Field, parameter: Parameter) -> str:
    """Why the algorithm would refuse some value of the range; empty if it takes all of them."""
    if isinstance(parameter, Categorical):
        refused = [value for value in parameter.values if not _reads(field, value)]
        return f"{refused[0]!r} is not {field.expectation()}" if refused else ""
    if not isinstance(field, IntegerField | ContinuousField):
        return "it is tuned by CategoricalParameterRanges"
    if isinstance(field, IntegerField) and isinstance(parameter, Continuous):
        return "it is an integer, tuned by IntegerParameterRanges"
    for bound in (parameter.low, parameter.high):
        # The bound of an open interval is drawn with probability zero.
        if not field.contains(bound) and bound not in (field.low, field.high):
            return f"{bound:g} is not {field.expectation()}"
    return ""


def _reads(field: Field, text: str) -> bool:
    try:
        field.parse(text)
    except ValueError:
        return False
    return True
