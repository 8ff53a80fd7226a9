"""CatBoost jobs beside the plain library with equal parameters."""

import json
from pathlib import Path

import catboost
import numpy as np
import pandas as pd
import pytest
from tests.unit.algorithms.tabular.jobs import archive_of, csv, labelled, run, table

from sagebrush.algorithms import resolve_image
from sagebrush.algorithms.catboost import CATBOOST
from sagebrush.algorithms.catboost.hyperparameters import SCHEMA
from sagebrush.algorithms.catboost.model import CatBoost
from sagebrush.algorithms.catboost.serve import load
from sagebrush.algorithms.errors import ClientError

NAMES = [f"feature_{index}" for index in range(5)]
SMALL = {"iterations": "40", "learning_rate": "0.1"}
PLAIN = {
    "iterations": 40,
    "learning_rate": 0.1,
    "depth": 6,
    "l2_leaf_reg": 3,
    "bagging_temperature": 1.0,
    "sampling_frequency": "PerTreeLevel",
    "random_seed": 1,
    "thread_count": 1,
    "allow_writing_files": False,
    "verbose": False,
    "early_stopping_rounds": 5,
}
"""The documented defaults, besides those of SMALL."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "1")


def answers(root: Path, body: str, accept: str = "") -> dict:
    predictor = load(root / "model", {"SM_NUM_CPUS": "1"})
    return json.loads(predictor.invoke(body.encode(), "text/csv", accept)[0])


def features(rows: np.ndarray) -> str:
    return csv(*rows.T.tolist())


def test_regression_is_the_librarys(tmp_path, capsys):
    (rows, target), (other, truth) = table(), table(100, 1)
    files = {"training/a.csv": labelled(target, rows), "validation/b.csv": labelled(truth, other)}
    assert run(tmp_path, "catboost", files, problem_type="regression", **SMALL) == 0
    plain = catboost.CatBoostRegressor(**PLAIN).fit(rows, target, eval_set=(other, truth))
    assert answers(tmp_path, features(other))["prediction"] == plain.predict(other).tolist()
    best = plain.get_best_score()["validation"]["RMSE"]
    last = [line for line in capsys.readouterr().out.splitlines() if "bestTest = " in line][-1]
    assert last == f"bestTest = {best:.10g} (RMSE)"


@pytest.mark.parametrize("classes", [2, 3])
def test_classification_is_the_librarys_under_the_datas_own_labels(tmp_path, classes, capsys):
    (rows, score), (other, other_score) = table(), table(100, 1)
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    labels = np.array([1, 4, 7])[:classes]
    target = labels[np.searchsorted(edges, score)]
    truth = labels[np.searchsorted(edges, other_score)]
    files = {"training/a.csv": labelled(target, rows), "validation/b.csv": labelled(truth, other)}
    assert run(tmp_path, "catboost", files, problem_type="classification", **SMALL) == 0
    metric = "AUC" if classes == 2 else "MultiClass"
    plain = catboost.CatBoostClassifier(**PLAIN, eval_metric=metric)
    plain.fit(rows, target, eval_set=(other, truth))
    found = answers(tmp_path, features(other), "application/json;verbose")
    assert found["probabilities"] == plain.predict_proba(other).tolist()
    assert found["labels"] == labels.tolist()
    assert np.mean(np.array(found["predicted_label"]) == truth) > 0.8
    last = [line for line in capsys.readouterr().out.splitlines() if "bestTest = " in line][-1]
    assert last.endswith(f"({metric})")


def test_categories_may_be_words_and_may_be_missing(tmp_path):
    rows, score = table(600)
    colour = np.random.default_rng(3).integers(0, 4, 600)
    target = score + np.array([3.0, -3.0, 1.0, 0.0])[colour]
    words = np.array(["red", "green", "", "dark blue"])[colour].tolist()
    cells = [*rows[:, :2].T.tolist(), words, *rows[:, 3:].T.tolist()]
    text = csv(target.tolist(), *cells)
    files = {
        "training/training/a.csv": text,
        "training/validation/b.csv": text,
        "training/categorical_index.json": json.dumps({"cat_index_list": [3]}),
    }
    assert run(tmp_path, "catboost", files, problem_type="regression", **SMALL) == 0
    frame = pd.DataFrame(dict(zip(NAMES, cells, strict=True)))
    frame["feature_2"] = frame["feature_2"].replace("", "nan")
    pool = catboost.Pool(frame, target, cat_features=["feature_2"])
    plain = catboost.CatBoostRegressor(**PLAIN).fit(pool, eval_set=pool)
    found = answers(tmp_path, csv(*cells))["prediction"]
    assert found == plain.predict(frame).tolist()
    assert len(answers(tmp_path, "0,0,never seen,0,0")["prediction"]) == 1


def test_the_artefact_is_the_librarys(tmp_path):
    rows, target = table()
    files = {"training/a.csv": labelled((target > 0).astype(int), rows)}
    assert run(tmp_path, "catboost", files, problem_type="classification", **SMALL) == 0
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["model", "model.sha256"]
    model = catboost.CatBoostClassifier()
    model.load_model(str(tmp_path / "model" / "model"))
    frame = pd.DataFrame(rows, columns=NAMES)
    found = answers(tmp_path, features(rows))["probabilities"]
    assert model.predict_proba(frame).tolist() == found


@pytest.mark.parametrize("policy", ["SymmetricTree", "Depthwise", "Lossguide"])
def test_every_way_to_grow_works_with_the_documented_defaults(tmp_path, policy):
    rows, target = table()
    files = {"training/a.csv": labelled(target, rows)}
    values = {"problem_type": "regression", "grow_policy": policy, "max_leaves": "8"}
    assert run(tmp_path, "catboost", files, **values, **SMALL) == 0


def test_what_the_library_refuses_is_the_users_mistake(tmp_path):
    files = {"training/a.csv": labelled(*table()[::-1])}
    values = {"problem_type": "regression", "eval_metric": "NoSuchMetric"}
    assert run(tmp_path, "catboost", files, **values) == 2
    assert "ClientError: CatBoost refuses the data" in (tmp_path / "output/failure").read_text()


def test_training_goes_on_from_an_earlier_model(tmp_path):
    rows, target = table()
    text = labelled(target, rows)
    files = {"training/a.csv": text, "validation/b.csv": text}
    values = {"problem_type": "regression", **SMALL}
    assert run(tmp_path / "first", "catboost", files, **values) == 0
    files["model/model.tar.gz"] = archive_of(tmp_path / "first" / "model")
    assert run(tmp_path / "second", "catboost", files, **values) == 0
    errors = [
        np.mean((answers(tmp_path / name, features(rows))["prediction"] - target) ** 2)
        for name in ("first", "second")
    ]
    assert errors[1] < 0.7 * errors[0]
    narrower = {"training/a.csv": labelled(target, rows[:, :4])} | {
        "model/model.tar.gz": files["model/model.tar.gz"]
    }
    assert run(tmp_path / "third", "catboost", narrower, **values) == 2
    assert "number of features" in (tmp_path / "third/output/failure").read_text()


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ClientError, match="no model file"):
        load(tmp_path, {})
    (tmp_path / "model").write_bytes(b"nonsense")
    with pytest.raises(ClientError, match="model is no CatBoost model"):
        load(tmp_path, {})


def test_the_servers_own_interpreter_is_used_where_it_has_the_library(monkeypatch):
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/catboost:1"
    assert resolve_image(image).environment.name == "base"
    monkeypatch.setattr("sagebrush.algorithms.catboost.find_spec", lambda _: None)
    assert resolve_image(image).environment == CATBOOST


def test_the_estimator_takes_words_and_documented_names_only():
    rows, score = table(300)
    words = np.where(rows[:, 2] > 0, "up", "down")
    columns = np.column_stack([rows[:, 0].astype(object), words])
    model = CatBoost("regression", iterations=30, learning_rate=0.2)
    found = model.fit(columns, score, categorical=[1]).predict(columns)
    assert np.corrcoef(found, score)[0, 1] > 0.3
    with pytest.raises(TypeError, match="no hyperparameter num_leaves"):
        CatBoost(num_leaves=5)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("iterations", ["1", "500"], ["0", "x"]),
        ("early_stopping_rounds", ["-1", "5"], ["x"]),
        ("learning_rate", ["0.03"], ["0", "1"]),
        ("depth", ["1", "16"], ["0", "17"]),
        ("l2_leaf_reg", ["1", "10"], ["0", "2.5"]),
        ("random_strength", ["0", "1.5"], ["-1"]),
        ("max_leaves", ["2", "64"], ["1", "65"]),
        ("rsm", ["0.5", "1"], ["0", "1.1"]),
        ("sampling_frequency", ["PerTree", "PerTreeLevel"], ["Never"]),
        ("min_data_in_leaf", ["1", "9"], ["0"]),
        ("bagging_temperature", ["0", "2"], ["-1"]),
        ("boosting_type", ["Auto", "Ordered", "Plain"], ["gbdt"]),
        ("scale_pos_weight", ["0.5"], ["0"]),
        ("max_bin", ["Auto", "1", "65535"], ["0", "65536"]),
        ("grow_policy", ["Lossguide"], ["Leafwise"]),
        ("random_seed", ["0", "7"], ["-1"]),
        ("thread_count", ["-1", "2"], ["0", "-2"]),
        ("verbose", ["1", "100"], ["0"]),
    ],
)
def test_documented_ranges(name, good, bad):
    base = {"problem_type": "regression"}
    for value in good:
        SCHEMA.parse(base | {name: value})
    for value in bad:
        with pytest.raises(ClientError, match=name):
            SCHEMA.parse(base | {name: value})
