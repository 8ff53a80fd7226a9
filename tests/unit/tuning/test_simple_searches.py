"""Random and grid search, the median rule and successive halving."""

import pytest

from sagebrush.tuning.early_stopping import falls_behind, running_averages
from sagebrush.tuning.grid import grid_configuration, grid_size
from sagebrush.tuning.random_search import random_configuration
from sagebrush.tuning.spaces import Categorical, Continuous, Integer, Space, SpaceError
from sagebrush.tuning.successive_halving import Brackets, stopping_rung

MIXED = Space(
    (Continuous("x", 1e-3, 1.0, "Logarithmic"), Integer("n", 1, 9), Categorical("c", ("a", "b")))
)
GRID = Space((Categorical("a", ("1", "2", "3")), Categorical("b", ("u", "v"))))


def test_the_same_seed_gives_the_same_random_configurations_in_any_order():
    first = [random_configuration(MIXED, 7, index) for index in range(20)]
    assert [random_configuration(MIXED, 7, index) for index in reversed(range(20))] == first[::-1]
    assert first != [random_configuration(MIXED, 8, index) for index in range(20)]
    assert len({each["x"] for each in first}) == 20


def test_random_search_fills_the_scale_evenly():
    drawn = [random_configuration(MIXED, 0, index)["x"] for index in range(3000)]
    below = sum(each < 0.0316227766 for each in drawn) / len(drawn)
    assert below == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_grid_tries_every_combination_once(seed):
    assert grid_size(GRID) == 6
    tried = [grid_configuration(GRID, seed, index) for index in range(6)]
    assert {(each["a"], each["b"]) for each in tried} == {(a, b) for a in "123" for b in "uv"}
    with pytest.raises(IndexError):
        grid_configuration(GRID, seed, 6)


def test_a_grid_of_numbers_is_refused_by_name():
    with pytest.raises(SpaceError, match=r"^x: a grid search needs categorical"):
        grid_size(MIXED)


def test_the_median_rule_compares_the_last_objective_with_average_curves():
    curves = [[1.0, 0.8, 0.6], [0.9, 0.7, 0.5], [1.1, 0.9, 0.7], [1.0, 0.9, 0.8]]
    finished = [running_averages(each) for each in curves]
    assert finished[0] == pytest.approx([1.0, 0.9, 0.8])
    # Averages after 3 epochs: 0.8, 0.7, 0.9, 0.9; their median is 0.85.
    assert not falls_behind([2.0, 1.5, 0.84], finished)
    assert falls_behind([2.0, 1.5, 0.86], finished)
    # It was better once, and has got worse since.
    assert falls_behind([0.1, 0.1, 0.86], finished)


def test_the_median_rule_waits_for_epochs_and_for_finished_trials():
    finished = [[1.0] * 5] * 4
    assert falls_behind([9.0] * 3, finished)
    assert not falls_behind([9.0] * 2, finished)
    assert not falls_behind([9.0] * 3, finished[:3])
    assert not falls_behind([9.0] * 6, finished)


def test_brackets_begin_later_and_later():
    brackets = Brackets(1, 27)
    assert [brackets.rungs(index) for index in range(brackets.count)] == [[1, 3, 9], [3, 9], [9]]
    assert Brackets(10, 10).count == 1
    assert Brackets(10, 10).rungs(0) == []
    shares = [brackets.bracket_of(3, index) for index in range(3000)]
    counts = [shares.count(index) for index in range(3)]
    assert counts[0] > counts[1] > counts[2] > 0
    assert shares == [brackets.bracket_of(3, index) for index in range(3000)]


def test_a_trial_goes_on_if_it_is_among_the_best_third_at_its_rung():
    brackets = Brackets(1, 9)
    others = [[9, 9, value] for value in (0.5, 0.4, 0.9, 0.8, 0.7)]
    assert stopping_rung(brackets, 1, [9, 9, 0.45], 0, others) is None
    assert stopping_rung(brackets, 1, [9, 9, 0.6], 0, others) == 3
    assert stopping_rung(brackets, 1, [9, 0.6], 0, others) is None
    assert stopping_rung(brackets, 1, [9, 9, 0.6], 0, others[:1]) is None
    assert stopping_rung(brackets, 1, [0.0] * 9, 0, []) is None


def test_rungs_decide_in_their_order_however_news_come_in_batches():
    brackets = Brackets(1, 27)
    others = [[0.0, 0.0, value, 0.0, 0.0] for value in (0.1, 0.2, 0.3)]
    curve = [-1.0, 5.0, 0.9, 0.9, 0.9]
    assert stopping_rung(brackets, 0, curve, 0, others) == 3
    assert stopping_rung(brackets, 0, curve, 1, others) == 3
    assert stopping_rung(brackets, 0, curve, 3, others) is None
    late = [5.0, 5.0, -1.0]
    assert stopping_rung(brackets, 0, late, 0, others) == 1


def test_equal_objectives_are_not_held_against_a_trial():
    others = [[1.0]] * 8
    assert stopping_rung(Brackets(1, 9), 0, [1.0], 0, others) is None
