"""K-Means jobs: channels in, artefact and AWS's log lines out."""

import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.kmeans import CARD
from sagebrush.algorithms.kmeans.hyperparameters import SCHEMA
from sagebrush.algorithms.kmeans.model import KMeans
from sagebrush.algorithms.kmeans.train import train
from sagebrush.algorithms.logs import Log

ROWS = make_blobs(900, 4, centers=3, random_state=0)[0].astype(np.float32)
HYPERPARAMETERS = {"k": "3", "feature_dim": "4", "mini_batch_size": "200"}


def context_of(root: Path, channels: dict[str, np.ndarray], **options) -> TrainingContext:
    configs = {}
    for name, rows in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        with (folder / "part-0").open("wb") as stream:
            write_dense(stream, rows)
        configs[name] = ChannelConfig(name, folder)
    (root / "model").mkdir(parents=True)
    host = options.get("current_host", "algo-1")
    log = Log(host, StringIO())
    return TrainingContext(root, {}, configs, log=log, **options)


def run(context: TrainingContext, **hyperparameters: str) -> str:
    train(context, SCHEMA.parse(HYPERPARAMETERS | hyperparameters))
    return context.log._stream.getvalue()


def metric(log: str, name: str) -> float:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return float(re.findall(regex, log)[-1])


def test_log_and_artifact_are_those_of_the_image(tmp_path: Path):
    context = context_of(tmp_path, {"train": ROWS, "test": ROWS[:100]})
    log = run(context, epochs="2", eval_metrics='["msd","ssd"]')
    model = KMeans.load(tmp_path / "model")
    distances = model.assign(ROWS[:100])[1].astype(np.float64)
    assert metric(log, "test:ssd") == pytest.approx((distances**2).sum())
    assert metric(log, "test:msd") == pytest.approx((distances**2).mean())
    assert metric(log, "train:msd") == pytest.approx((model.assign(ROWS)[1] ** 2).mean(), rel=0.01)
    assert metric(log, "train:progress") == 100.0
    for expected in (
        "'extra_center_factor' was set to 'auto', evaluated to 10.",
        "shrinking 30 centers into 3",
        "local kmeans attempt #9. Current mean square distance ",
        "processed a total of 900 examples",
        "#progress_metric: host=algo-1, completed 50.0 % of epochs",
        "#test_score (algo-1) : ('msd', ",
    ):
        assert expected in log


def test_small_data_is_announced_and_no_test_data_too(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": ROWS}), mini_batch_size="5000")
    assert (
        "Batch size 5000 is bigger than the first batch data. Effective batch size used to "
        "initialize is 900" in log
    )
    assert "Test data is not provided." in log


def test_pipe_gives_the_model_that_files_give(tmp_path: Path):
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


def test_two_hosts_train_one_model_of_all_rows(tmp_path: Path):
    # One host has rows of two clusters only, so a model of its own would miss the third.
    order = np.argsort(ROWS[:, 0])
    hosts = ["127.0.4.1", "127.0.4.2"]
    parts = [ROWS[order[:500]], ROWS[order[500:]]]

    def host(rank: int) -> str:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": parts[rank], "test": parts[rank]},
            hosts=hosts,
            current_host=hosts[rank],
        )
        return run(context)

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    run(context_of(tmp_path / "single", {"train": ROWS, "test": ROWS}))
    model = KMeans.load(tmp_path / "single" / "model")
    floor = (model.assign(ROWS)[1].astype(np.float64) ** 2).mean()
    assert metric(logs[0], "test:msd") == metric(logs[1], "test:msd")
    assert metric(logs[0], "test:msd") == pytest.approx(floor, rel=0.01)
    assert [path.name for path in (tmp_path / hosts[0] / "model").iterdir()] == [
        f"model_{hosts[0]}"
    ]
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_a_job_goes_on_from_its_checkpoint(tmp_path: Path):
    checkpoints = tmp_path / "checkpoints"
    first = context_of(tmp_path / "a", {"train": ROWS}, checkpoint_dir=checkpoints)
    run(first, epochs="1")
    second = context_of(tmp_path / "b", {"train": ROWS}, checkpoint_dir=checkpoints)
    log = run(second, epochs="2")
    assert "Resuming from the checkpoint of epoch 1." in log
    assert log.count("processed a total of 900 examples") == 1


def test_a_stop_ends_with_a_model(tmp_path: Path):
    context = context_of(tmp_path, {"train": ROWS})
    context.request_stop()
    run(context, epochs="5")
    assert KMeans.load(tmp_path / "model").k == 3


def test_bad_rows_are_named(tmp_path: Path):
    rows = ROWS.copy()
    rows[417, 2] = np.inf
    with pytest.raises(ClientError, match=r"Example 418 of train/[^ ]+ has a feature"):
        run(context_of(tmp_path / "a", {"train": rows}))
    with pytest.raises(ClientError, match="4 features, expected 7"):
        run(context_of(tmp_path / "b", {"train": ROWS}), feature_dim="7")
    with pytest.raises(ClientError, match="fewer than the 1000 clusters"):
        run(context_of(tmp_path / "c", {"train": ROWS}), k="1000")


def test_metric_lines_carry_json(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": ROWS}))
    lines = [line for line in log.splitlines() if line.startswith("#metrics ")]
    assert {json.loads(line[9:])["Dimensions"]["Algorithm"] for line in lines} == {
        "AWS/KMeansWebscale"
    }
