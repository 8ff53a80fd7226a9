"""Hyperparameter values as the library gets them."""

import pytest

from sagebrush.algorithms.lightgbm.boosting import library_parameters
from sagebrush.algorithms.lightgbm.hyperparameters import SCHEMA


@pytest.mark.parametrize(
    ("asked", "given"), [("0", 4), ("1", 1), ("4", 4), ("5", 4), ("100000", 4)]
)
def test_no_more_threads_run_than_the_job_has_processors(asked, given):
    values = SCHEMA.parse({"problem_type": "regression", "num_threads": asked})
    assert library_parameters(values, None, 4)["num_threads"] == given
