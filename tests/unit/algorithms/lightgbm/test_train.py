"""LightGBM jobs beside the plain library with equal parameters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
from tests.unit.algorithms.tabular.jobs import archive_of, csv, labelled, run, table

from sagebrush.algorithms.lightgbm.serve import load

NAMES = [f"feature_{index}" for index in range(5)]
PLAIN = {
    "learning_rate": 0.1,
    "num_leaves": 64,
    "max_depth": 6,
    "min_data_in_leaf": 3,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.9,
    "bagging_freq": 1,
    "num_threads": 1,
    "force_col_wise": True,
    "verbosity": -1,
}
"""The documented defaults."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "1")


def answers(root: Path, rows: np.ndarray, accept: str = "") -> dict:
    predictor = load(root / "model", {"SM_NUM_CPUS": "1"})
    return json.loads(predictor.invoke(csv(*rows.T.tolist()).encode(), "text/csv", accept)[0])


def trained(parameters: dict, rows, target, held_out, **options) -> lightgbm.Booster:
    data = lightgbm.Dataset(rows, target, feature_name=NAMES, params=parameters, **options)
    stop = lightgbm.early_stopping(10, verbose=False)
    return lightgbm.train(parameters, data, 100, [data.create_valid(*held_out)], callbacks=[stop])


def test_regression_is_the_librarys(tmp_path, capsys):
    (rows, target), (other, truth) = table(), table(100, 1)
    files = {"train/a.csv": labelled(target, rows), "validation/b.csv": labelled(truth, other)}
    assert run(tmp_path, "lightgbm", files, problem_type="regression") == 0
    plain = trained(
        PLAIN | {"objective": "regression", "metric": "rmse"}, rows, target, (other, truth)
    )
    assert answers(tmp_path, other)["prediction"] == plain.predict(other).tolist()
    log = capsys.readouterr().out
    assert f"The best round is {plain.best_iteration}." in log
    best = plain.best_score["valid_0"]["rmse"]
    assert f"[{plain.best_iteration}]\tvalid_0's rmse: {best:.6g}"[:-1] in log


@pytest.mark.parametrize("classes", [2, 3])
def test_classification_is_the_librarys_under_the_datas_own_labels(tmp_path, classes):
    (rows, score), (other, other_score) = table(), table(100, 1)
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    target, truth = np.searchsorted(edges, score), np.searchsorted(edges, other_score)
    labels = np.array([1, 4, 7])[:classes]
    files = {
        "train/a.csv": labelled(labels[target], rows),
        "validation/b.csv": labelled(labels[truth], other),
    }
    assert run(tmp_path, "lightgbm", files, problem_type="classification") == 0
    own = {"objective": "binary", "metric": "binary_logloss"}
    if classes == 3:
        own = {"objective": "multiclass", "metric": "multi_logloss", "num_class": 3}
    plain = trained(PLAIN | own, rows, target, (other, truth)).predict(other)
    expected = plain if classes == 3 else np.column_stack([1 - plain, plain])
    found = answers(tmp_path, other, "application/json;verbose")
    assert found["probabilities"] == expected.tolist()
    assert found["labels"] == labels.tolist()
    assert found["predicted_label"] == labels[expected.argmax(axis=1)].tolist()
    assert np.mean(np.array(found["predicted_label"]) == labels[truth]) > 0.8


def test_categorical_columns_are_the_librarys_and_words_are_served(tmp_path):
    rows, score = table(600)
    colour = np.random.default_rng(3).integers(0, 12, 600)
    rows[:, 2] = colour
    target = score + np.array([3, -3, 1, 0] * 3)[colour]
    words = [f"colour {number:02}" for number in colour]
    columns = [*rows[:, :2].T.tolist(), words, *rows[:, 3:].T.tolist()]
    index = json.dumps({"cat_index_list": [3]})
    values = {"problem_type": "regression", "early_stopping_rounds": "0", "num_boost_round": "30"}
    both = {}
    for name, cells in (("numbers", rows.T.tolist()), ("words", columns)):
        text = csv(target.tolist(), *cells)
        files = {
            "train/a.csv": text,
            "train/categorical_index.json": index,
            "validation/b.csv": text,
        }
        assert run(tmp_path / name, "lightgbm", files, **values) == 0
        predictor = load(tmp_path / name / "model", {})
        body, _ = predictor.invoke(csv(*cells).encode(), "text/csv", "")
        both[name] = json.loads(body)["prediction"]
    plain = PLAIN | {"objective": "regression"}
    data = lightgbm.Dataset(rows, target, categorical_feature=[2], params=plain)
    assert both["numbers"] == lightgbm.train(plain, data, 30).predict(rows).tolist()
    assert both["words"] == both["numbers"]
    unknown = csv(*[[cells[0]] for cells in columns[:2]], ["no such colour"], [0.0], [0.0])
    assert "prediction" in json.loads(predictor.invoke(unknown.encode(), "text/csv", "")[0])


def test_the_artefact_loads_with_joblib_and_with_the_library(tmp_path):
    rows, target = table()
    files = {"train/train/a.csv": labelled(target, rows)}
    assert run(tmp_path, "lightgbm", files, problem_type="regression") == 0
    expected = answers(tmp_path, rows)["prediction"]
    assert joblib.load(tmp_path / "model" / "model.pkl").predict(rows).tolist() == expected
    text = lightgbm.Booster(model_file=tmp_path / "model" / "model.txt")
    assert text.predict(rows).tolist() == expected
    assert text.feature_name() == NAMES


def test_a_stop_in_dart_and_a_forest_are_trained(tmp_path):
    rows, target = table()
    files = {"train/a.csv": labelled(target > 0, rows).replace("True", "1").replace("False", "0")}
    for boosting in ("dart", "rf", "goss"):
        extra = {"bagging_freq": "0"} if boosting == "goss" else {}
        root = tmp_path / boosting
        values = {"problem_type": "classification", "boosting": boosting, **extra}
        assert run(root, "lightgbm", files, num_boost_round="20", **values) == 0
        found = np.array(answers(root, rows)["probabilities"])[:, 1] > 0.5
        assert np.mean(found == (target > 0)) > 0.8


def test_what_the_library_refuses_is_the_users_mistake(tmp_path):
    files = {"train/a.csv": labelled(*table()[::-1])}
    values = {"problem_type": "regression", "objective": "gamma"}
    assert run(tmp_path, "lightgbm", files, **values) == 2
    assert "ClientError: LightGBM refuses the data" in (tmp_path / "output/failure").read_text()


def test_training_goes_on_from_an_earlier_model(tmp_path):
    rows, target = table()
    text = labelled(target, rows)
    values = {"problem_type": "regression", "early_stopping_rounds": "0", "num_boost_round": "10"}
    files = {"train/a.csv": text, "validation/b.csv": text}
    assert run(tmp_path / "first", "lightgbm", files, **values) == 0
    packed = archive_of(tmp_path / "first" / "model")
    files["model/model.tar.gz"] = packed
    assert run(tmp_path / "second", "lightgbm", files, **values) == 0

    def error(name: str) -> float:
        return float(np.mean((answers(tmp_path / name, rows)["prediction"] - target) ** 2))

    assert error("second") < 0.5 * error("first")
    narrower = {"train/a.csv": labelled(target, rows[:, :4]), "model/model.tar.gz": packed}
    assert run(tmp_path / "third", "lightgbm", narrower, **values) == 2
    assert "number of features" in (tmp_path / "third/output/failure").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
@pytest.mark.parametrize("distribution", ["FullyReplicated", "ShardedByS3Key"])
def test_several_hosts_train_one_model(tmp_path, distribution):
    (rows, target), (other, truth) = table(900), table(200, 1)
    hosts = ["127.0.0.1", "127.0.0.2"]
    processes = []
    for rank, host in enumerate(hosts):
        root = tmp_path / host
        share = slice(rank, None, 2) if distribution == "ShardedByS3Key" else slice(None)
        config, data = root / "input" / "config", root / "input" / "data"
        for name, text in (
            ("train", labelled(target[share], rows[share])),
            ("validation", labelled(truth[share], other[share])),
        ):
            (data / name).mkdir(parents=True)
            (data / name / "a.csv").write_text(text)
        config.mkdir(parents=True)
        channel = {"S3DistributionType": distribution}
        for name, content in {
            "hyperparameters": {"problem_type": "regression"},
            "inputdataconfig": {"train": channel, "validation": channel},
            "resourceconfig": {"current_host": host, "hosts": hosts},
        }.items():
            (config / f"{name}.json").write_text(json.dumps(content))
        command = [
            sys.executable,
            "-m",
            "sagebrush.algorithms",
            "train",
            "lightgbm",
            "--root",
            root,
        ]
        environment = {**os.environ, "TRAINING_JOB_NAME": str(tmp_path), "OMP_NUM_THREADS": "1"}
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert (tmp_path / hosts[0] / "model" / "model.pkl").exists()
    assert not (tmp_path / hosts[1] / "model" / "model.pkl").exists()
    assert "Training on 450 rows" in outputs[0]
    assert "Training on 450 rows" in outputs[1]
    assert "valid_0's rmse" in outputs[0]
    assert "valid_0's rmse" not in outputs[1]
    found = np.array(answers(tmp_path / hosts[0], other)["prediction"])
    alone = trained(PLAIN | {"objective": "regression"}, rows, target, (other, truth))
    error = np.sqrt(np.mean((found - truth) ** 2))
    assert error < 1.1 * np.sqrt(np.mean((alone.predict(other) - truth) ** 2))


def test_the_two_names_of_the_training_channel_are_one(tmp_path):
    text = labelled(*table()[::-1])
    files = {"training/a.csv": text, "train/a.csv": text}
    assert run(tmp_path, "lightgbm", files, problem_type="regression") == 2
    assert "the same one" in (tmp_path / "output/failure").read_text()
