"""Random Cut Forest jobs: channels in, artefact and AWS's log lines out."""

import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext, train_main
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.random_cut_forest import CARD
from sagebrush.algorithms.random_cut_forest.hyperparameters import SCHEMA
from sagebrush.algorithms.random_cut_forest.model import RandomCutForest
from sagebrush.algorithms.random_cut_forest.train import train

GENERATOR = np.random.default_rng(0)
ROWS = GENERATOR.normal(size=(4032, 3)).astype(np.float32)
LABELS = (GENERATOR.random(4032) < 0.01).astype(np.float32)
ROWS[LABELS == 1] += 8
HYPERPARAMETERS = {"feature_dim": "3", "num_trees": "50"}


def context_of(root: Path, **options) -> TrainingContext:
    (root / "model").mkdir(parents=True)
    log = Log(options.get("current_host", "algo-1"), StringIO())
    return TrainingContext(root, {}, {}, log=log, **options)


def give(context: TrainingContext, name: str, rows, labels=None, **options) -> TrainingContext:
    folder = context.root / "input" / "data" / name
    folder.mkdir(parents=True)
    with (folder / "part-0").open("wb") as stream:
        write_dense(stream, rows, labels)
    context.channels[name] = ChannelConfig(name, folder, **options)
    return context


def run(context: TrainingContext, **hyperparameters: str) -> str:
    train(context, SCHEMA.parse(HYPERPARAMETERS | hyperparameters))
    return context.log._stream.getvalue()


def metric(log: str, name: str) -> float:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return float(re.findall(regex, log)[-1])


def test_log_and_artifact_are_those_of_the_image(tmp_path: Path):
    context = give(context_of(tmp_path), "train", ROWS)
    log = run(give(context, "test", ROWS[:1000], LABELS[:1000]))
    scores = RandomCutForest.load(tmp_path / "model").score(ROWS[:1000])
    called = scores > scores.mean() + 3 * scores.std()
    assert metric(log, "test:f1") == pytest.approx(f1_score(LABELS[:1000], called))
    assert metric(log, "test:accuracy") == pytest.approx((called == LABELS[:1000]).mean())
    assert metric(log, "test:f1") > 0.8
    assert metric(log, "train:progress") == 100.0
    for expected in (
        "Sampling training data...",
        "4032 samples gathered",
        "num_trees: 50, num_samples_in_forest: 4000, num_samples_per_tree: 80, sample_dim: 3,",
        "#test_score (algo-1) : ('f1', ",
        "#quality_metric: host=algo-1, test precision <score>=",
        "#quality_metric: host=algo-1, test negative_f1 <score>=",
    ):
        assert expected in log
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model_algo-1"]
    lines = [line for line in log.splitlines() if line.startswith("#metrics ")]
    assert {json.loads(line[9:])["Dimensions"]["Algorithm"] for line in lines} == {
        "RandomCutForest"
    }


def test_figures_that_were_not_asked_for_are_not_reported(tmp_path: Path):
    context = give(context_of(tmp_path), "train", ROWS)
    log = run(give(context, "test", ROWS, LABELS), eval_metrics='["accuracy"]')
    assert metric(log, "test:accuracy") > 0.98
    assert "test f1" not in log


def test_no_test_data_is_announced(tmp_path: Path):
    log = run(give(context_of(tmp_path), "train", ROWS))
    assert "Test data is not provided." in log


def test_pipe_gives_the_model_that_files_give(tmp_path: Path):
    run(give(context_of(tmp_path / "file"), "train", ROWS))
    context = context_of(tmp_path / "pipe")
    path = tmp_path / "pipe" / "input" / "train"
    path.parent.mkdir(parents=True)
    context.channels["train"] = ChannelConfig("train", path, mode="Pipe")
    content = (tmp_path / "file/input/data/train/part-0").read_bytes()
    os.mkfifo(f"{path}_0")
    writer = threading.Thread(target=Path(f"{path}_0").write_bytes, args=[content])
    writer.start()
    run(context)
    writer.join()
    models = [(tmp_path / mode / "model/model_algo-1").read_bytes() for mode in ("file", "pipe")]
    assert models[0] == models[1]


def test_two_hosts_grow_one_forest_of_all_rows(tmp_path: Path):
    # One host has only rows of one side, which a forest of its own would call outliers.
    order = np.argsort(ROWS[:, 0])
    hosts = ["127.0.6.1", "127.0.6.2"]
    parts = [ROWS[order[:2500]], ROWS[order[2500:]]]

    def host(rank: int) -> str:
        context = context_of(tmp_path / hosts[rank], hosts=hosts, current_host=hosts[rank])
        give(context, "train", parts[rank])
        return run(give(context, "test", ROWS, LABELS))

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    context = give(context_of(tmp_path / "single"), "train", ROWS)
    single = run(give(context, "test", ROWS, LABELS))
    for name in ("test:f1", "test:accuracy"):
        assert metric(logs[0], name) == metric(logs[1], name)
        assert metric(logs[0], name) == pytest.approx(metric(single, name), abs=0.1)
    ours, theirs = (
        RandomCutForest.load(tmp_path / name / "model").score(ROWS) for name in (hosts[0], "single")
    )
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_a_stop_ends_with_a_model_of_what_was_seen_and_no_figures(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("sagebrush.algorithms.random_cut_forest.train.READ_VALUES", 0)
    context = give(context_of(tmp_path), "train", ROWS)
    give(context, "test", ROWS, LABELS)
    context.request_stop()
    log = run(context)
    assert "1000 samples gathered" in log
    assert "#quality_metric" not in log
    assert RandomCutForest.load(tmp_path / "model").forest_.trees == 50


@pytest.mark.parametrize(
    ("row", "value", "message"),
    [
        (4017, np.inf, r"Example 4018 of train/[^ ]+ has a feature that is not a finite"),
        (0, np.nan, r"Example 1 of train/[^ ]+ has a feature that is not a finite"),
    ],
)
def test_values_that_are_not_finite_are_named(tmp_path: Path, row, value, message):
    rows = ROWS.copy()
    rows[row, 2] = value
    with pytest.raises(ClientError, match=message):
        run(give(context_of(tmp_path), "train", rows))


def test_rows_that_are_too_few_or_too_narrow(tmp_path: Path):
    with pytest.raises(ClientError, match=r"49 examples, fewer than the 50 trees.*'num_trees'"):
        run(give(context_of(tmp_path / "a"), "train", ROWS[:49]))
    run(give(context_of(tmp_path / "b"), "train", ROWS[:50]))
    with pytest.raises(ClientError, match="3 features, expected 7"):
        run(give(context_of(tmp_path / "c"), "train", ROWS), feature_dim="7")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"Example 1 of test/part-0 has no label.*text/csv;label_size=1"),
        (LABELS * 2, r"Example \d+ of test/part-0 has the label 2; a label must be 0 or 1"),
        (LABELS - 1, "Example 1 of test/part-0 has the label -1"),
    ],
)
def test_test_data_needs_labels_of_two_kinds(tmp_path: Path, labels, message):
    context = give(context_of(tmp_path), "train", ROWS)
    with pytest.raises(ClientError, match=message):
        run(give(context, "test", ROWS, labels))


@pytest.mark.parametrize(
    ("train_distribution", "test_distribution", "named"),
    [
        ("FullyReplicated", "FullyReplicated", "'FullyReplicated' is not one of .*train"),
        (None, "FullyReplicated", "'FullyReplicated' is not one of .*train"),
        ("ShardedByS3Key", "ShardedByS3Key", "'ShardedByS3Key' is not one of .*test"),
        ("ShardedByS3Key", "FullyReplicated", None),
    ],
)
def test_channels_are_distributed_as_documented(
    tmp_path: Path, train_distribution, test_distribution, named
):
    context = give(context_of(tmp_path), "train", ROWS)
    give(context, "test", ROWS, LABELS)
    config = tmp_path / "input" / "config"
    config.mkdir()
    (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    channels = {"train": {"S3DistributionType": train_distribution}}
    channels["test"] = {"S3DistributionType": test_distribution}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    assert train_main("randomcutforest", tmp_path) == (2 if named else 0)
    if named:
        failure = (tmp_path / "output" / "failure").read_text()
        assert re.search(named, failure, re.DOTALL), failure


def test_csv_test_data_has_its_labels_first(tmp_path: Path):
    context = give(context_of(tmp_path), "train", ROWS)
    folder = tmp_path / "input" / "data" / "test"
    folder.mkdir()
    table = np.column_stack([LABELS, ROWS])
    np.savetxt(folder / "part-0", table, delimiter=",", fmt="%.9g")
    context.channels["test"] = ChannelConfig("test", folder, "text/csv;label_size=1")
    assert metric(run(context), "test:f1") > 0.8
    context.channels["test"] = ChannelConfig("test", folder, "text/csv;label_size=0")
    with pytest.raises(ClientError, match="4 features, expected 3"):
        run(context)
