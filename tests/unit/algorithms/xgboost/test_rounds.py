"""Which rounds are trained and kept: early stopping, checkpoints, stops, cross validation."""

import re
from pathlib import Path

import numpy as np
import pytest
import xgboost
from tests.unit.algorithms.xgboost.training_reference import (
    ROUND_LINE,
    libsvm_text,
    plain_model,
)


def test_early_stopping_keeps_the_best_round(job, make_data, csv_text):
    features, labels = make_data(300)
    generator = np.random.default_rng(3)
    noisy = np.where(generator.random(300) < 0.3, 1 - labels, labels).astype(np.float32)
    job.add("train", {"a": csv_text(noisy[:200], features[:200])})
    job.add("validation", {"a": csv_text(noisy[200:], features[200:])})
    output = job.run(
        objective="binary:logistic",
        eval_metric="error,logloss",
        num_round="60",
        early_stopping_rounds="4",
        eta="0.8",
    )
    losses = [float(v) for v in re.findall(r"validation-logloss:([\d.]+)", output)]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 4
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    assert booster.num_boosted_rounds() == best + 1


def test_early_stopping_maximises_ranking_metrics_with_a_cutoff(job, make_data):
    features, labels = make_data(200, kind="multi")
    lines = libsvm_text(features, labels).splitlines()
    text = "\n".join(
        line.replace(" ", f" qid:{index // 20} ", 1) for index, line in enumerate(lines)
    )
    job.add("train", {"a": text}, "libsvm")
    job.add("validation", {"b": text}, "libsvm")
    output = job.run(
        objective="rank:ndcg", eval_metric="ndcg@5", num_round="8", early_stopping_rounds="3"
    )
    scores = [float(v) for v in re.findall(r"validation-ndcg@5:([\d.]+)", output)]
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    assert scores[booster.num_boosted_rounds() - 1] == max(scores) > scores[0]


def test_the_tuning_objective_is_evaluated_and_stops(job, make_data, csv_text):
    features, labels = make_data(200)
    job.add("train", {"a": csv_text(labels, features)})
    job.add("validation", {"b": csv_text(labels, features)})
    output = job.run(
        objective="binary:logistic",
        eval_metric="logloss",
        early_stopping_rounds="2",
        _tuning_objective_metric="validation:accuracy",
        num_round="30",
    )
    assert "\tvalidation-accuracy:" in output
    assert len(ROUND_LINE.findall(output)) < 30


def test_checkpoints_are_kept_and_training_resumes_from_the_last(
    job, make_data, csv_text, tmp_path: Path
):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    folder = tmp_path / "checkpoints"
    job.run(job.prepare(folder), num_round="7")
    assert sorted(path.name for path in folder.iterdir()) == [
        f"xgboost-checkpoint.{index}" for index in range(2, 7)
    ]
    (folder / "xgboost-checkpoint.9").write_bytes(b"{broken")
    output = job.run(job.prepare(folder), num_round="9")
    assert [index for index, _ in ROUND_LINE.findall(output)] == ["7", "8"]
    assert job.model_path.read_bytes() == plain_model({}, features, labels, rounds=9)


def test_a_job_whose_checkpoints_are_complete_has_nothing_left_to_do(
    job, make_data, csv_text, tmp_path: Path
):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    job.add("validation", {"b": csv_text(labels, features)})
    options = {"eval_metric": "rmse", "early_stopping_rounds": "2", "num_round": "1"}
    job.run(job.prepare(tmp_path / "checkpoints"), **options)
    first = job.model_path.read_bytes()
    assert not ROUND_LINE.search(job.run(job.prepare(tmp_path / "checkpoints"), **options))
    assert xgboost.Booster(model_file=bytearray(first)).get_dump() == (
        xgboost.Booster(model_file=bytearray(job.model_path.read_bytes())).get_dump()
    )


def test_early_stopping_after_a_resume_keeps_the_best_of_all_rounds(job, make_data, csv_text):
    features, labels = make_data(300)
    job.add("train", {"a": csv_text(labels[:200], features[:200])})
    job.add("validation", {"b": csv_text(labels[200:], features[200:])})
    folder = job.root / "checkpoints"
    options = {"objective": "binary:logistic", "eval_metric": "error", "eta": "0.9"}
    job.run(job.prepare(folder), num_round="2", **options)
    output = job.run(job.prepare(folder), num_round="60", early_stopping_rounds="3", **options)
    indices = [int(index) for index, _ in ROUND_LINE.findall(output)]
    errors = [float(v) for v in re.findall(r"validation-error:([\d.]+)", output)]
    best = indices[int(np.argmin(errors))]
    assert indices == list(range(2, best + 4))
    booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
    assert booster.num_boosted_rounds() == best + 1


@pytest.mark.parametrize(("keep", "exists"), [("true", True), ("false", False)])
def test_a_stop_before_the_first_round_is_no_failure(job, make_data, csv_text, keep, exists):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    job.add("validation", {"b": csv_text(labels, features)})
    context = job.prepare()
    context.request_stop()
    job.run(context, eval_metric="rmse", early_stopping_rounds="2", save_model_on_termination=keep)
    assert job.model_path.exists() == exists


@pytest.mark.parametrize(("keep", "exists"), [("true", True), ("false", False)])
def test_a_stopped_job_leaves_a_model_only_if_asked(job, make_data, csv_text, keep, exists):
    features, labels = make_data()
    job.add("train", {"a": csv_text(labels, features)})
    context = job.prepare()
    polls = iter([False] * 2)
    context.stop_requested = lambda: next(polls, True)  # type: ignore[method-assign]
    output = job.run(context, num_round="50", save_model_on_termination=keep)
    assert len(ROUND_LINE.findall(output)) == 2
    assert job.model_path.exists() == exists
    if exists:
        booster = xgboost.Booster(model_file=bytearray(job.model_path.read_bytes()))
        plain = bytearray(plain_model({}, features, labels, rounds=2))
        expected = xgboost.Booster(model_file=plain).get_dump(with_stats=True)
        assert booster.get_dump(with_stats=True) == expected
    assert [path.name for path in (job.root / "model").glob("*")] in ([], ["xgboost-model"])


@pytest.mark.parametrize(
    ("parameters", "kind", "columns"),
    [
        ({"objective": "binary:logistic"}, "binary", 3),
        ({"objective": "multi:softprob", "num_class": "3"}, "multi", 3),
        ({}, "value", 2),
    ],
    ids=["binary", "multi", "value"],
)
def test_cross_validation_writes_a_model_for_each_fold(
    job, make_data, csv_text, parameters, kind, columns
):
    features, labels = make_data(90, kind)
    job.add("train", {"a": csv_text(labels, features)})
    output = job.run(_kfold="3", _num_cv_round="2", seed="4", **parameters)
    names = sorted(path.name for path in (job.root / "model").iterdir())
    assert names == [f"xgboost-model-{index}" for index in range(6)]
    assert len(re.findall(r"^\[3\]\ttrain-", output, re.MULTILINE)) == 3
    predictions = np.loadtxt(job.root / "output" / "data" / "predictions.csv", delimiter=",")
    assert predictions.shape == (90, columns)
    np.testing.assert_allclose(predictions[:, 0], labels, atol=1e-6)
    if columns == 3:
        assert np.mean(predictions[:, 2] == labels) > 0.7
