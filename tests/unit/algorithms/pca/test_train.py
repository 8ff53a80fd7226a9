"""PCA jobs: channels in, artefact and AWS's log lines out."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA as Oracle

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.pca import CARD
from sagebrush.algorithms.pca import train as training
from sagebrush.algorithms.pca.hyperparameters import SCHEMA
from sagebrush.algorithms.pca.model import PCA
from sagebrush.algorithms.pca.train import train

RANDOM = np.random.default_rng(0)
# So many features that the randomized mode does not find the exact way cheaper.
BASIS = RANDOM.normal(size=(8, 40)) * np.linspace(1, 3, 8)[:, None]
ROWS = (RANDOM.normal(size=(900, 8)) @ BASIS + 5).astype(np.float32)
HYPERPARAMETERS = {"num_components": "3", "feature_dim": "40", "mini_batch_size": "200"}


def context_of(root: Path, channels: dict[str, np.ndarray], **options) -> TrainingContext:
    configs = {}
    for name, rows in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        with (folder / "part-0").open("wb") as stream:
            write_dense(stream, rows)
        configs[name] = ChannelConfig(name, folder)
    (root / "model").mkdir(parents=True)
    log = Log(options.get("current_host", "algo-1"), StringIO())
    return TrainingContext(root, {}, configs, log=log, **options)


def run(context: TrainingContext, **hyperparameters: str) -> str:
    train(context, SCHEMA.parse(HYPERPARAMETERS | hyperparameters))
    return context.log._stream.getvalue()


def metric(log: str, name: str) -> float:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return float(re.findall(regex, log)[-1])


def test_artifact_and_log(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": ROWS, "test": ROWS[:100]}))
    oracle = Oracle(3).fit(ROWS)
    model = PCA.load(tmp_path / "model")
    assert model.singular_values_[::-1] == pytest.approx(oracle.singular_values_, rel=1e-4)
    residual = ROWS[:100] - oracle.inverse_transform(oracle.transform(ROWS[:100]))
    loss = (residual**2).sum(axis=1).mean()
    assert metric(log, "test:reconstruction_loss") == pytest.approx(loss, rel=1e-3)
    assert 0.5 < metric(log, "test:explained_variance_ratio") < 1
    assert metric(log, "train:progress") == 100.0
    assert metric(log, "train:throughput") > 0
    assert "processed a total of 900 examples" in log


def test_no_test_data_is_said(tmp_path: Path):
    assert "Test data is not provided." in run(context_of(tmp_path, {"train": ROWS}))


def test_a_pipe_gives_the_model_that_files_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "BLOCK_VALUES", 4000)
    run(context_of(tmp_path / "file", {"train": ROWS}))
    context = context_of(tmp_path / "pipe", {})
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


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_two_hosts_find_the_components_of_all_rows(tmp_path: Path, mode: str):
    # Each host has rows around a mean of its own: the difference is the first component.
    hosts = ["127.0.5.1", "127.0.5.2"]
    parts = [ROWS[:300], ROWS[300:] + np.float32(50) * np.eye(40, dtype=np.float32)[2]]

    def host(rank: int) -> str:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": parts[rank], "test": parts[rank]},
            hosts=hosts,
            current_host=hosts[rank],
        )
        return run(context, algorithm_mode=mode, extra_components="1")

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    oracle = Oracle(3).fit(np.concatenate(parts).astype(np.float64))
    model = PCA.load(tmp_path / hosts[0] / "model")
    tolerance = 1e-3 if mode == "regular" else 1e-2
    assert model.singular_values_[::-1] == pytest.approx(oracle.singular_values_, rel=tolerance)
    cosines = np.abs(np.sum(model.components_[::-1] * oracle.components_, axis=1))
    assert cosines == pytest.approx(1, abs=tolerance)
    name = "test:reconstruction_loss"
    assert metric(logs[0], name) == metric(logs[1], name)
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_a_stop_ends_with_a_model_of_what_was_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(training, "BLOCK_VALUES", 40 * 100)
    context = context_of(tmp_path, {"train": ROWS})
    context.request_stop()
    log = run(context, algorithm_mode="randomized", extra_components="1", epochs="5")
    assert "processed a total of 100 examples" in log
    assert log.count("processed a total") == 1
    expected = PCA(3).fit(ROWS[:100])
    found = PCA.load(tmp_path / "model")
    assert found.components_ == pytest.approx(expected.components_, abs=0.02)


def test_further_epochs_are_read_by_the_sketch_only(tmp_path: Path):
    sketched = context_of(tmp_path / "a", {"train": ROWS})
    log = run(sketched, algorithm_mode="randomized", extra_components="0", epochs="3")
    assert log.count("processed a total of 900 examples") == 3
    assert "completed 33.3" in log
    log = run(context_of(tmp_path / "b", {"train": ROWS}), epochs="3")
    assert log.count("processed a total of 900 examples") == 1
    assert metric(log, "train:progress") == 100.0


def test_bad_rows_and_numbers_are_named(tmp_path: Path):
    rows = ROWS.copy()
    rows[417, 2] = np.inf
    with pytest.raises(ClientError, match=r"Example 418 of train/[^ ]+ has a feature"):
        run(context_of(tmp_path / "a", {"train": rows}))
    with pytest.raises(ClientError, match="40 features, expected 7"):
        run(context_of(tmp_path / "b", {"train": ROWS}), feature_dim="7")
    with pytest.raises(ClientError, match="holds 2 examples, fewer than the 3 components"):
        run(context_of(tmp_path / "c", {"train": ROWS[:2]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_components", "41"),
        ("num_components", "0"),
        ("extra_components", "-2"),
        ("algorithm_mode", "fast"),
        ("subtract_mean", "perhaps"),
        ("mini_batch_size", "0"),
    ],
)
def test_hyperparameters_out_of_range_are_refused_by_name(name: str, value: str):
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(HYPERPARAMETERS | {name: value})


def test_defaults_are_the_documented_ones():
    values = SCHEMA.parse(HYPERPARAMETERS)
    assert values["algorithm_mode"] == "regular"
    assert values["extra_components"] == -1
    assert values["subtract_mean"] is True
