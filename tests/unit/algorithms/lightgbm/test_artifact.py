"""Models trained at AWS, and what is no model."""

import pickle

import joblib
import lightgbm
import numpy as np
import pytest
from tests.unit.algorithms.tabular.jobs import table

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lightgbm import artifact
from sagebrush.algorithms.lightgbm.model import LightGBM


@pytest.mark.parametrize(
    ("objective", "labels"), [("regression", ()), ("binary", (0, 1)), ("multiclass", (0, 1, 2))]
)
def test_a_booster_dumped_by_joblib_is_served(tmp_path, objective, labels):
    rows, score = table()
    target = score if not labels else np.digitize(score, [-1, 0][: len(labels) - 1])
    parameters = {"objective": objective, "num_class": max(1, len(labels) * (len(labels) > 2))}
    parameters |= {"verbosity": -1, "num_threads": 1, "learning_rate": 0.5}
    data = lightgbm.Dataset(rows, target)
    stop = lightgbm.early_stopping(3, verbose=False)
    booster = lightgbm.train(
        parameters, data, 200, [data.create_valid(rows[:50], -target[:50] + 2)], callbacks=[stop]
    )
    assert booster.best_iteration < 200
    joblib.dump(booster, tmp_path / "model.pkl")
    stored = artifact.load(tmp_path)
    assert stored.labels == labels
    np.testing.assert_array_equal(stored.booster.predict(rows), booster.predict(rows))


class _Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('was run')",))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(_Evil()), pickle.dumps([1])])
def test_what_is_no_booster_is_refused_and_not_run(tmp_path, content):
    (tmp_path / "model.pkl").write_bytes(content)
    with pytest.raises(ClientError, match=r"model.pkl is no LightGBM model"):
        artifact.load(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ClientError, match="no model file"):
        artifact.load(tmp_path)
    (tmp_path / "model.txt").write_text("tree\nnonsense")
    with pytest.raises(ClientError, match="cannot be read"):
        artifact.load(tmp_path)


def test_the_estimator_takes_documented_names_only():
    with pytest.raises(TypeError, match="no hyperparameter n_estimators"):
        LightGBM(n_estimators=5)


def test_the_estimator_stops_early_and_takes_categories():
    (rows, score), (other, truth) = table(), table(200, 1)
    rows[:, 4] = np.arange(len(rows)) % 4
    model = LightGBM("regression", num_boost_round=500)
    model.fit(rows, score, (other, truth), categorical=[4])
    assert model.booster_.best_iteration < 500
    assert model.predict(other).shape == (200,)
    assert model.labels_ == ()
