"""The grid of candidates: what AWS's logs show, and what the user fixes."""

import pytest

from sagebrush.algorithms.linear_learner.grid import Candidate, candidates
from sagebrush.algorithms.linear_learner.settings import MULTICLASS, Settings


def grid(*, tuning: bool = False, share: float = 0.2, dim: int = 10, **settings) -> list[Candidate]:
    return candidates(Settings(**settings), feature_dim=dim, tuning=tuning, positive_share=share)


def test_nothing_fixed_gives_32_different_models_over_two_learning_rates():
    models = grid()
    assert len(set(models)) == 32
    assert {model.learning_rate for model in models} == {0.005, 0.1}
    # Values of AWS's published logs: steps 10 to 100, factors 0.98 to 0.99, minima 1e-5 to 1e-4.
    assert {model.lr_scheduler_step for model in models} == {10, 100}
    assert {model.lr_scheduler_factor for model in models} == {0.98, 0.99}
    assert {model.lr_scheduler_minimum_lr for model in models} == {1e-5, 1e-4}


def test_fixed_values_hold_for_all_models_and_the_number_stays():
    models = grid(learning_rate=0.3, wd=0.5, l1=0.25, lr_scheduler_step=7)
    assert len(models) == 32
    assert {(m.learning_rate, m.wd, m.l1, m.lr_scheduler_step) for m in models} == {
        (0.3, 0.5, 0.25, 7)
    }


def test_a_tuning_job_trains_one_model_whatever_is_asked():
    (model,) = grid(tuning=True, num_models=8)
    assert (model.lr_scheduler_step, model.lr_scheduler_factor) == (10, 0.98)


def test_the_users_number_is_kept_and_few_models_cover_the_axes():
    assert len(grid(num_models=100)) == 100
    few = grid(num_models=6)
    assert len({model.learning_rate for model in few}) == 2
    assert len({(model.wd, model.l1) for model in few}) > 2


def test_models_are_fewer_when_all_together_would_be_too_large():
    settings = {"predictor_type": MULTICLASS, "num_classes": 1000}
    assert len(grid(dim=4999, **settings)) == 3
    assert len(grid(dim=10**6, **settings)) == 1


@pytest.mark.parametrize(
    ("mult", "expected"), [(3.0, {3.0}), ("balanced", {4.0}), ("auto", {1.0, 4.0, 2.0})]
)
def test_positive_weights(mult: float | str, expected: set[float]):
    assert {m.positive_weight for m in grid(positive_example_weight_mult=mult)} == expected


def test_balanced_without_one_of_the_classes_in_the_sample_weighs_alike():
    assert {m.positive_weight for m in grid(positive_example_weight_mult="balanced", share=0)} == {
        1
    }
