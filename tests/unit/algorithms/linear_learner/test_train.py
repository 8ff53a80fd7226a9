"""Linear Learner jobs: channels in, artefact and AWS's log lines out."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.linear_learner import CARD
from sagebrush.algorithms.linear_learner.hyperparameters import SCHEMA
from sagebrush.algorithms.linear_learner.model import LinearLearner
from sagebrush.algorithms.linear_learner.train import train
from sagebrush.algorithms.logs import Log

ROWS, LABELS = load_breast_cancer(return_X_y=True)
BINARY = {"predictor_type": "binary_classifier", "mini_batch_size": "50", "num_models": "8"}
CHANNELS = {"train": slice(0, 400), "validation": slice(400, 480), "test": slice(480, None)}


def context_of(root: Path, channels: dict, rows=ROWS, labels=LABELS, **options) -> TrainingContext:
    configs = {}
    for name, part in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        with (folder / "part-0").open("wb") as stream:
            write_dense(stream, rows[part].astype(np.float32), labels[part].astype(np.float32))
        configs[name] = ChannelConfig(name, folder)
    (root / "model").mkdir()
    log = Log(options.get("current_host", "algo-1"), StringIO())
    strings = options.pop("hyperparameters", {})
    return TrainingContext(root, strings, configs, log=log, **options)


def run(context: TrainingContext, hyperparameters: dict = BINARY, **more: str) -> str:
    train(context, SCHEMA.parse(hyperparameters | more))
    return context.log._stream.getvalue()


def metric(log: str, name: str) -> float:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return float(re.findall(regex, log)[-1])


def test_log_and_artifact_are_those_of_the_image(tmp_path: Path):
    log = run(context_of(tmp_path, CHANNELS), epochs="3")
    learner = LinearLearner.load(tmp_path / "model")
    called = learner.predict(ROWS[480:])
    accuracy = (called == LABELS[480:]).mean()
    assert metric(log, "test:binary_classification_accuracy") == pytest.approx(accuracy)
    assert accuracy > 0.93
    assert metric(log, "train:progress") == 100.0
    assert metric(log, "validation:objective_loss") > 0
    assert metric(log, "validation:objective_loss:final") > 0
    assert metric(log, "test:objective_loss") > 0
    for expected in (
        r"Scaling model computed with parameters:",
        r"#quality_metric: host=algo-1, epoch=0, train \S+_cross_entropy_objective <loss>=\d",
        r"#early_stopping_criteria_metric: host=algo-1, epoch=2, criteria=sampled_accuracy, value=",
        r"Epoch 0: Loss improved. Updating best model",
        r"#progress_metric: host=algo-1, completed 33\.3\d* % of epochs",
        r"#validation_score \(algo-1\) : \('binary_f_1.000', 0\.\d+\)|\('binary_f_1.000', 1.0\)",
        r'Best model found for hyperparameters: {"optimizer": "adam", "learning_rate": 0',
    ):
        assert re.search(expected, log), expected


def test_each_model_has_its_own_line_of_metrics(tmp_path: Path):
    log = run(context_of(tmp_path, CHANNELS), epochs="1")
    lines = [json.loads(line[9:]) for line in log.splitlines() if line.startswith("#metrics ")]
    per_model = [line for line in lines if "model" in line["Dimensions"]]
    assert len(per_model) == 16
    assert {line["Dimensions"]["Algorithm"] for line in lines} == {"Linear Learner"}
    name = "validation_binary_classification_cross_entropy_objective"
    assert name in per_model[-1]["Metrics"]


def test_without_validation_the_train_metrics_are_final(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": slice(None)}), epochs="2")
    assert metric(log, "train:binary_classification_accuracy") > 0.95
    assert "Test data is not provided." in log
    assert "validation" not in log


def test_the_loss_ends_training_where_there_is_no_validation_data(tmp_path: Path):
    """AWS: without validation data the metric of early stopping is always the loss."""
    name = "early_stopping_criteria_metric: host=algo-1, epoch=0, criteria="
    log = run(context_of(tmp_path / "a", {"train": slice(None)}), epochs="1")
    assert f"{name}binary_classification_cross_entropy_objective, value=" in log
    log = run(context_of(tmp_path / "b", CHANNELS), epochs="1")
    assert f"{name}sampled_accuracy, value=" in log


def test_few_calibration_rows_leave_the_metrics_alone(tmp_path: Path):
    log = run(context_of(tmp_path, CHANNELS), num_calibration_samples="20")
    model = LinearLearner.load(tmp_path / "model")
    held_out = CHANNELS["test"]
    right = model.predict(ROWS[held_out]) == LABELS[held_out]
    found = metric(log, "test:binary_classification_accuracy")
    assert found == pytest.approx(right.mean())


def test_a_tuning_job_trains_one_model(tmp_path: Path):
    tuning = {"_tuning_objective_metric": "validation:objective_loss"}
    log = run(context_of(tmp_path, CHANNELS, hyperparameters=tuning), epochs="1")
    assert '"model": 0' in log
    assert '"model": 1' not in log


def test_regression_is_logged_in_the_units_of_the_labels(tmp_path: Path):
    rows, labels = load_diabetes(return_X_y=True)
    channels = {"train": slice(0, 300), "validation": slice(300, None)}
    hyperparameters = {"predictor_type": "regressor", "mini_batch_size": "50"}
    log = run(context_of(tmp_path, channels, rows, labels), hyperparameters)
    residuals = LinearLearner.load(tmp_path / "model").predict(rows[300:]) - labels[300:]
    assert metric(log, "validation:mse") == pytest.approx((residuals**2).mean(), rel=1e-3)
    assert metric(log, "validation:rmse") == pytest.approx(metric(log, "validation:mse") ** 0.5)
    assert metric(log, "validation:absolute_loss") == pytest.approx(abs(residuals).mean(), rel=1e-3)


def test_two_hosts_train_one_model_of_all_rows(tmp_path: Path):
    # Sorted by label, so that either host alone would see hardly anything but one class.
    order = np.argsort(LABELS[:400], kind="stable")
    hosts = ["127.0.5.1", "127.0.5.2"]
    parts = [order[:160], order[160:]]

    def host(rank: int) -> str:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": parts[rank], "validation": CHANNELS["validation"]},
            hosts=hosts,
            current_host=hosts[rank],
        )
        return run(context)

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    name = "validation:binary_classification_accuracy"
    assert metric(logs[0], name) == metric(logs[1], name) > 0.95
    learner = LinearLearner.load(tmp_path / hosts[0] / "model")
    assert (learner.predict(ROWS[480:]) == LABELS[480:]).mean() > 0.93
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_a_job_goes_on_from_its_checkpoint(tmp_path: Path):
    checkpoints = tmp_path / "checkpoints"
    log = run(context_of(tmp_path / "a", CHANNELS, checkpoint_dir=checkpoints), epochs="2")
    assert "Saved checkpoint to" in log
    again = run(context_of(tmp_path / "b", CHANNELS, checkpoint_dir=checkpoints), epochs="4")
    assert "Resuming from the checkpoint after epoch 1." in again
    assert "epoch=1," not in again
    assert "epoch=2," in again
    with pytest.raises(ClientError, match="other hyperparameters"):
        run(context_of(tmp_path / "c", CHANNELS, checkpoint_dir=checkpoints), num_models="3")


def test_a_stop_ends_with_a_model(tmp_path: Path):
    context = context_of(tmp_path, CHANNELS)
    context.request_stop()
    log = run(context)
    assert "epoch=1," not in log
    assert LinearLearner.load(tmp_path / "model").model().weights.shape == (1, 30)


def test_rows_of_another_width_are_named_with_their_file(tmp_path: Path):
    with pytest.raises(ClientError, match="train/part-0: its rows have 30 features, expected 7"):
        run(context_of(tmp_path, CHANNELS), feature_dim="7")


def test_rows_that_break_a_rule_are_named_within_their_file(tmp_path: Path):
    labels = LABELS.astype(np.float32)
    labels[41] = 3
    context = context_of(tmp_path / "a", {"train": slice(0, 100)}, labels=labels)
    with pytest.raises(ClientError, match=r"Example 42 of train/part-0 has the label 3\. Labels"):
        run(context)
    rows = ROWS.copy()
    rows[450, 3] = np.inf
    context = context_of(tmp_path / "b", CHANNELS, rows=rows)
    with pytest.raises(ClientError, match="Example 51 of validation/part-0 has a feature"):
        run(context)
