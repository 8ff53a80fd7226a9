"""Which configuration a tuning job tries next."""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.services.sagemaker.tuning.definitions import Definition
from sagebrush.services.sagemaker.tuning.history import cost
from sagebrush.services.sagemaker.tuning.records import Trial, TuningJob
from sagebrush.services.sagemaker.tuning.suggester import Suggester
from sagebrush.tuning.grid import grid_configuration, grid_size
from sagebrush.tuning.messages import SuggestionRequest
from sagebrush.tuning.random_search import random_configuration


async def next_configuration(
    job: TuningJob,
    trials: Sequence[Trial],
    definitions: Sequence[Definition],
    suggester: Suggester,
) -> tuple[int, dict[str, str]] | None:
    """Return the number of a definition and the hyperparameters to try; None if all were tried.

    Definitions take turns. Raises `SuggestionError` when there is no suggestion.
    """
    chosen = len(trials) % len(definitions)
    definition = definitions[chosen]
    own = [trial for trial in trials if trial.definition == chosen]
    strategy = job.request["HyperParameterTuningJobConfig"]["Strategy"]
    if strategy == "Grid":
        if len(own) >= grid_size(definition.space):
            return None
        found = grid_configuration(definition.space, job.state.seed, len(own))
    elif strategy == "Bayesian":
        found = await suggester.suggest(_request(job, chosen, definition, own, definitions))
    else:
        found = random_configuration(definition.space, job.state.seed, len(trials))
    return chosen, definition.space.render(found)


def _request(
    job: TuningJob,
    chosen: int,
    definition: Definition,
    own: Sequence[Trial],
    definitions: Sequence[Definition],
) -> SuggestionRequest:
    space = definition.space
    return SuggestionRequest(
        search=f"{job.id}/{chosen}",
        space=space,
        seed=job.state.seed,
        observed=[
            (space.parse(trial.hyperparameters), cost(trial, definitions))
            for trial in own
            if trial.objective is not None
        ],
        pending=[space.parse(trial.hyperparameters) for trial in own if not trial.is_over],
    )
