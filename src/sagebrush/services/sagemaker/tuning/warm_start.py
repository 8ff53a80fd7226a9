"""Beginning with what earlier tuning jobs found: what AWS asks of parents, what is taken over.

Source: the developer guide, *Run a Warm Start Hyperparameter Tuning Job*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.algorithms import split_image_uri
from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.tuning import history, records
from sagebrush.services.sagemaker.tuning.definitions import Definition, definitions_of
from sagebrush.services.sagemaker.tuning.descriptions import trial_summary
from sagebrush.services.sagemaker.tuning.limits import check_total
from sagebrush.services.sagemaker.tuning.records import TuningJob
from sagebrush.tuning.spaces import Categorical

_MOST_CHANGES = 10
# A value that differs, or a categorical parameter that becomes static, counts twice.
_CATEGORICAL_CHANGE = 2

Inheritance = tuple[list[Any], dict[str, Any] | None]


def inheritance(context: Context, request: dict[str, Any]) -> Inheritance | None:
    """Return the parents' observations and their best training job; None without a warm start.

    Raises:
        ApiError: ValidationException for parents that do not go with the tuning job.
    """
    if "WarmStartConfig" not in request:
        return None
    definitions = definitions_of(request)
    _check_kind(request)
    parents = [_parent(context, name) for name in _names(request)]
    for parent in parents:
        _check_parent(parent, definitions[0])
    trials = {parent.name: records.trials_of(context.db, parent.id) for parent in parents}
    inherited = sum(len(each) for each in trials.values())
    check_total(request["HyperParameterTuningJobConfig"], inherited)
    observations: list[Any] = []
    best: tuple[float, TuningJob, int] | None = None
    for parent in parents:
        (theirs,) = definitions_of(parent.request)
        static = theirs.document.get("StaticHyperParameters", {})
        found = [trial for trial in trials[parent.name] if trial.objective is not None]
        observations += [
            [parent.name, {**static, **trial.hyperparameters}, trial.objective] for trial in found
        ]
        top = history.best_of(found, [theirs])
        if top is not None:
            cost = history.cost(top, [theirs])
            if best is None or cost < best[0]:
                best = cost, parent, top.number
    return observations, None if best is None else _best_summary(context, best[1], best[2])


def _best_summary(context: Context, parent: TuningJob, number: int) -> dict[str, Any] | None:
    summary = trial_summary(context.db, parent, number, definitions_of(parent.request))
    return None if summary is None else {**summary, "TuningJobName": parent.name}


def _check_kind(request: dict[str, Any]) -> None:
    if "TrainingJobDefinitions" in request:
        raise faults.invalid(
            "WarmStartConfig cannot be used with TrainingJobDefinitions: warm start is only"
            " available when tuning a single algorithm."
        )
    strategy = request["HyperParameterTuningJobConfig"]["Strategy"]
    if strategy not in ("Bayesian", "Random"):
        raise faults.invalid(
            f"WarmStartConfig cannot be used with the strategy {strategy}: warm start uses either"
            " Bayesian or Random search."
        )


def _names(request: dict[str, Any]) -> list[str]:
    names = [
        each.get("HyperParameterTuningJobName", "")
        for each in request["WarmStartConfig"]["ParentHyperParameterTuningJobs"]
    ]
    lowered = [name.lower() for name in names]
    if not all(names) or len(set(lowered)) != len(names):
        raise faults.invalid("ParentHyperParameterTuningJobs must name different tuning jobs.")
    return names


def _parent(context: Context, name: str) -> TuningJob:
    parent = records.find_job(context.db, context.account, context.region, name)
    if parent is None:
        raise faults.invalid(f"The parent tuning job [{name}] was not found.")
    if not parent.is_over:
        raise faults.invalid(
            f"The parent tuning job [{name}] is in status {parent.status}. Parent tuning jobs must"
            " be in a terminal state (Completed, Stopped or Failed)."
        )
    if "TrainingJobDefinitions" in parent.request:
        raise faults.invalid(
            f"The parent tuning job [{name}] tunes several algorithms, which a warm start cannot"
            " begin with."
        )
    return parent


def _check_parent(parent: TuningJob, definition: Definition) -> None:
    (theirs,) = definitions_of(parent.request)
    if (theirs.metric, theirs.direction) != (definition.metric, definition.direction):
        raise faults.invalid(
            f"The objective metric [{definition.metric}, {definition.direction}] must be the same"
            f" as that of the parent tuning job [{parent.name}], [{theirs.metric},"
            f" {theirs.direction}]."
        )
    images = [
        split_image_uri(each.document["AlgorithmSpecification"]["TrainingImage"])[0]
        for each in (theirs, definition)
    ]
    if images[0] != images[1]:
        raise faults.invalid(
            f"The training algorithm [{images[1]}] must be the same as that of the parent tuning"
            f" job [{parent.name}], [{images[0]}]."
        )
    _check_hyperparameters(parent.name, theirs, definition)


def _check_hyperparameters(name: str, theirs: Definition, definition: Definition) -> None:
    before, after = _kinds(theirs), _kinds(definition)
    if len(before) != len(after):
        raise faults.invalid(
            "The total number of static and tunable hyperparameters must remain the same: the"
            f" parent tuning job [{name}] has {len(before)}, this one {len(after)}."
        )
    changed = [
        key
        for key in before.keys() & after.keys()
        if "Static" not in (before[key], after[key]) and before[key] != after[key]
    ]
    if changed:
        raise faults.invalid(
            f"The type of the hyperparameters {sorted(changed)} must be the same as in the parent"
            f" tuning job [{name}]."
        )
    changes = _change_count(theirs, definition)
    if changes > _MOST_CHANGES:
        raise faults.invalid(
            "The number of changes from tunable hyperparameters to static ones and of changed"
            f" static values cannot be more than {_MOST_CHANGES}, but there are {changes} with"
            f" respect to the parent tuning job [{name}]."
        )


def _kinds(definition: Definition) -> dict[str, str]:
    kinds = dict.fromkeys(_static(definition), "Static")
    return kinds | {each.name: type(each).__name__ for each in definition.space.parameters}


def _static(definition: Definition) -> Mapping[str, str]:
    static: Mapping[str, str] = definition.document.get("StaticHyperParameters", {})
    return static


def _change_count(theirs: Definition, definition: Definition) -> int:
    before, after = _static(theirs), _static(definition)
    count = sum(
        _CATEGORICAL_CHANGE for key in before.keys() & after.keys() if before[key] != after[key]
    )
    for parameter in theirs.space.parameters:
        if parameter.name in after:
            count += _CATEGORICAL_CHANGE if isinstance(parameter, Categorical) else 1
    return count
