"""What is no model of CatBoost's."""

import pytest
from tests.unit.algorithms.tabular.jobs import table

from sagebrush.algorithms.catboost.model import CatBoost
from sagebrush.algorithms.catboost.serve import load
from sagebrush.algorithms.errors import ClientError


def test_a_model_with_damaged_parameters_is_refused(tmp_path):
    rows, target = table()
    CatBoost("regression", iterations=3).fit(rows, target).save(tmp_path)
    path = tmp_path / "model"
    path.write_bytes(path.read_bytes().replace(b"fold_len_multiplier", b"fold_len_multiplies"))
    with pytest.raises(ClientError, match=r"model is no CatBoost model: .*fold_len_multiplies"):
        load(tmp_path, {})
