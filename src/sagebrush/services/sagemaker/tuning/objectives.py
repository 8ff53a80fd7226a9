"""Whether a training job can tell the metric that a tuning job is after.

Source of the wording: answers of AWS quoted in public issue threads, and the developer guide,
*Define metrics and environment variables*.
"""

from __future__ import annotations

from sagebrush.algorithms import resolve_image
from sagebrush.algorithms.card import Card, load_attribute
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.jobs.logs import OBJECTIVE_HYPERPARAMETER
from sagebrush.services.sagemaker.tuning.definitions import Definition

_MOST_METRICS = 40


def check_objective(definition: Definition) -> None:
    """Raise ApiError if the objective is no metric of the definition's algorithm."""
    specification = definition.document["AlgorithmSpecification"]
    image = specification["TrainingImage"]
    card = resolve_image(image).card
    given = [each["Name"] for each in specification.get("MetricDefinitions", ())]
    if given and not _takes_definitions(card):
        raise faults.invalid(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please"
            " retry the request without specifying metric definitions."
        )
    if len(set(given)) != len(given):
        raise faults.invalid("Metric definition names must be unique.")
    if definition.metric in given:
        return
    directions = built_in_objectives(card)
    if definition.metric not in directions:
        if _takes_definitions(card):
            raise faults.invalid(
                "A metric is required for this hyperparameter tuning job objective. Provide a"
                " metric in the metric definitions."
            )
        raise faults.invalid(
            f"The objective metric for the hyperparameter tuning job, [{definition.metric}], isn't"
            f" valid for the [{image}] algorithm. Choose a valid objective metric."
        )
    if directions[definition.metric] != definition.direction:
        raise faults.invalid(
            f"The objective metric type, [{definition.direction}], that you specified for objective"
            f" metric, [{definition.metric}], isn't valid for the [{image}] algorithm. Choose a"
            " valid objective metric type."
        )


def _takes_definitions(card: Card) -> bool:
    """Algorithms found by model ids are scripts to AWS, which knows no metrics of theirs."""
    return bool(card.model_ids)


def built_in_objectives(card: Card) -> dict[str, str]:
    """Return the metrics that an algorithm can be tuned for, each with its better direction."""
    directions = {metric.name: str(metric.direction) for metric in card.metrics}
    schema: Schema = load_attribute(card.hyperparameters)
    declared = next((f for f in schema.fields if f.name == OBJECTIVE_HYPERPARAMETER), None)
    allowed = getattr(declared, "choices", ())
    return {
        name: direction for name, direction in directions.items() if not allowed or name in allowed
    }
