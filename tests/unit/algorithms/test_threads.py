"""Work shared among threads."""

import itertools
import threading

import pytest

from sagebrush.algorithms.threads import map_in_order


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(threads):
    assert list(map_in_order(lambda n: n * n, range(50), threads)) == [n * n for n in range(50)]


def test_items_are_worked_on_at_the_same_time():
    both = threading.Barrier(2, timeout=20)
    assert sorted(map_in_order(lambda _: both.wait(), range(2), 2)) == [0, 1]


def test_no_more_items_are_taken_than_memory_is_meant_for():
    numbers = itertools.count()
    results = map_in_order(lambda n: n, numbers, 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert next(numbers) == 7
    results.close()


def test_an_error_is_raised_in_its_place():
    results = map_in_order(lambda n: 1 // (2 - n), range(5), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
