"""When an epoch counts as progress."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms.linear_learner.evaluation import Judgement
from sagebrush.algorithms.linear_learner.fitting import Progress

MODELS: Any = SimpleNamespace(raw_parameters=lambda: (np.zeros((2, 1, 1)), np.zeros((1, 1))))


def judged(objective: float, accuracy: float) -> Judgement:
    return Judgement(np.array([objective]), np.array([accuracy]), "sampled_accuracy", True)


@pytest.mark.parametrize("by_criterion", [True, False])
def test_a_better_criterion_is_progress_on_validation_data_only(by_criterion: bool):
    progress = Progress()
    assert progress.take(judged(0.5, 0.8), MODELS, 0.001, by_criterion=by_criterion)
    assert progress.take(judged(0.5, 0.9), MODELS, 0.001, by_criterion=by_criterion) is by_criterion
    assert progress.stale_epochs == (0 if by_criterion else 1)
    # The model is chosen by the criterion either way.
    assert progress.best_value == 0.9


@pytest.mark.parametrize("by_criterion", [True, False])
def test_a_lower_loss_is_progress_beyond_the_tolerance(by_criterion: bool):
    progress = Progress()
    progress.take(judged(0.5, 0.8), MODELS, 0.01, by_criterion=by_criterion)
    assert not progress.take(judged(0.496, 0.8), MODELS, 0.01, by_criterion=by_criterion)
    assert progress.take(judged(0.49, 0.8), MODELS, 0.01, by_criterion=by_criterion)
