"""Which configuration a tuning job tries next."""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.history import cost
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.services.sagemaker.tuning.suggester import Suggester
from sagebrush.services.sagemaker.tuning.transfer import Inherited
from sagebrush.tuning.grid import grid_configuration, grid_size
from sagebrush.tuning.messages import SuggestionRequest
from sagebrush.tuning.random_search import random_configuration

# After so many trials of which each failed, a definition waits until the others fail as well.
_HOPELESS_AFTER = 3


async def next_configuration(
    job: TuningJob,
    trials: Sequence[Trial],
    definitions: Sequence[Definition],
    suggester: Suggester,
    inherited: Inherited,
) -> tuple[int, dict[str, str]] | None:
    """Return the number of a definition and the hyperparameters to try; None if all were tried.

    Raises `SuggestionError` when there is no suggestion.
    """
    strategy = job.request["HyperParameterTuningJobConfig"]["Strategy"]
    chosen = turn(trials, definitions, grid=strategy == "Grid")
    if chosen is None:
        return None
    definition = definitions[chosen]
    own = [trial for trial in trials if trial.definition == chosen]
    if strategy == "Grid":
        found = grid_configuration(definition.space, job.state.seed, len(own))
    elif strategy == "Bayesian":
        request = suggestion_request(job, chosen, definitions, own, inherited)
        found = await suggester.suggest(request)
    else:
        found = random_configuration(definition.space, job.state.seed, len(trials))
    return chosen, definition.space.render(found)


def turn(trials: Sequence[Trial], definitions: Sequence[Definition], *, grid: bool) -> int | None:
    """Return whose turn it is: the definition tried least, the first of equals.

    One whose trials have all failed goes last, one whose grid was tried is out. None if all are.
    """
    counts = [0] * len(definitions)
    failed = [0] * len(definitions)
    for trial in trials:
        counts[trial.definition] += 1
        failed[trial.definition] += trial.objective_status == "Failed"
    open_ones = [
        number
        for number, definition in enumerate(definitions)
        if not grid or counts[number] < grid_size(definition.space)
    ]
    return min(
        open_ones,
        key=lambda number: (
            failed[number] == counts[number] >= _HOPELESS_AFTER,
            counts[number],
        ),
        default=None,
    )


def suggestion_request(
    job: TuningJob,
    chosen: int,
    definitions: Sequence[Definition],
    own: Sequence[Trial],
    inherited: Inherited,
) -> SuggestionRequest:
    """Return what the search process is asked for the next trial of a definition."""
    space = definitions[chosen].space
    observed = [
        (space.parse(trial.hyperparameters), cost(trial, definitions))
        for trial in own
        if trial.objective is not None
    ]
    return SuggestionRequest(
        search=f"{job.id}/{chosen}",
        space=space,
        seed=job.state.seed,
        observed=inherited.pooled(observed),
        pending=[space.parse(trial.hyperparameters) for trial in own if not trial.is_over],
        failed=[
            space.parse(trial.hyperparameters)
            for trial in own
            if trial.is_over and trial.objective is None
        ],
    )
