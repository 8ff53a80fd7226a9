"""Jobs of k nearest neighbours: channels in, artefact and AWS's log lines out."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.algorithms.knn import CARD
from sagebrush.algorithms.knn.hyperparameters import SCHEMA
from sagebrush.algorithms.knn.model import KNN
from sagebrush.algorithms.knn.train import train
from sagebrush.algorithms.logs import Log

ORDER = np.random.default_rng(0).permutation(150)
ROWS = load_iris().data.astype(np.float32)[ORDER]
LABELS = load_iris().target.astype(np.float32)[ORDER]
HYPERPARAMETERS = {
    "feature_dim": "4",
    "k": "5",
    "sample_size": "100",
    "predictor_type": "classifier",
    "mini_batch_size": "40",
}
Rows = tuple[np.ndarray, np.ndarray | None]
TRAIN: Rows = (ROWS[:100], LABELS[:100])
TEST: Rows = (ROWS[100:], LABELS[100:])


def context_of(root: Path, channels: dict[str, Rows], **options) -> TrainingContext:
    configs = {}
    for name, (rows, labels) in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        with (folder / "part-0").open("wb") as stream:
            write_dense(stream, rows, labels)
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


def test_a_classifiers_figures_are_those_of_scikit_learn(tmp_path: Path):
    log = run(context_of(tmp_path, {"train": TRAIN, "test": TEST}))
    found = KNeighborsClassifier(5).fit(*TRAIN).predict(TEST[0])
    accuracy = (found == TEST[1]).mean()
    assert metric(log, "test:accuracy") == pytest.approx(accuracy)
    f1 = float(re.findall(r"test macro_f_1\.000 <score>=(\S+)", log)[-1])
    assert f1 == pytest.approx(f1_score(TEST[1], found, average="macro"))
    assert f"#test_score (algo-1) : ('accuracy', {accuracy})" in log
    assert "processed a total of 100 examples" in log
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "model_algo-1",
        "model_algo-1.labels",
        "model_algo-1.json",
    }


def test_a_regressors_figure_is_that_of_scikit_learn(tmp_path: Path):
    log = run(
        context_of(tmp_path, {"train": TRAIN, "test": TEST}), predictor_type="regressor", k="7"
    )
    found = KNeighborsRegressor(7).fit(*TRAIN).predict(TEST[0])
    assert metric(log, "test:mse") == pytest.approx(((found - TEST[1]) ** 2).mean(), rel=1e-4)
    assert "#test_score (algo-1) : ('mse', " in log


def test_no_test_data_is_said(tmp_path: Path):
    assert "Test data is not provided." in run(context_of(tmp_path, {"train": TRAIN}))


def test_a_pipe_gives_the_model_that_files_give(tmp_path: Path):
    run(context_of(tmp_path / "file", {"train": TRAIN}), sample_size="30")
    context = context_of(tmp_path / "pipe", {})
    path = tmp_path / "pipe" / "input" / "train"
    path.parent.mkdir(parents=True)
    context.channels["train"] = ChannelConfig("train", path, mode="Pipe")
    content = (tmp_path / "file/input/data/train/part-0").read_bytes()
    os.mkfifo(f"{path}_0")
    writer = threading.Thread(target=Path(f"{path}_0").write_bytes, args=[content])
    writer.start()
    run(context, sample_size="30")
    writer.join()
    for name in ("model_algo-1", "model_algo-1.labels", "model_algo-1.json"):
        models = [(tmp_path / mode / "model" / name).read_bytes() for mode in ("file", "pipe")]
        assert models[0] == models[1]


@pytest.mark.parametrize("index_type", ["faiss.Flat", "faiss.IVFFlat"])
def test_two_hosts_index_the_rows_of_both(tmp_path: Path, index_type: str):
    # Each host has classes that the other lacks.
    hosts = ["127.0.7.1", "127.0.7.2"]
    first = TRAIN[1] == 0
    parts = [(TRAIN[0][first], TRAIN[1][first]), (TRAIN[0][~first], TRAIN[1][~first])]
    tests = [(TEST[0][:20], TEST[1][:20]), (TEST[0][20:], TEST[1][20:])]

    def host(rank: int) -> str:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": parts[rank], "test": tests[rank]},
            hosts=hosts,
            current_host=hosts[rank],
        )
        return run(context, index_type=index_type, _faiss_index_nprobe="10")

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    found = KNeighborsClassifier(5).fit(*TRAIN).predict(TEST[0])
    for log in logs:
        assert metric(log, "test:accuracy") == pytest.approx((found == TEST[1]).mean(), abs=0.021)
    assert metric(logs[0], "test:accuracy") == metric(logs[1], "test:accuracy")
    model = KNN.load(tmp_path / hosts[0] / "model")
    assert (model.predict(TEST[0]) == found).mean() > 0.95
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_a_stop_ends_with_a_model_of_what_was_read(tmp_path: Path):
    context = context_of(tmp_path, {"train": TRAIN})
    context.request_stop()
    log = run(context)
    assert "processed a total of 40 examples" in log
    assert KNN.load(tmp_path / "model").sample_size == 40


def test_a_stop_before_there_are_k_rows_ends_without_a_model(tmp_path: Path):
    context = context_of(tmp_path, {"train": TRAIN})
    context.request_stop()
    with pytest.raises(InterruptedError):
        run(context, k="50")


def test_bad_rows_and_labels_are_named(tmp_path: Path):
    rows, labels = TRAIN
    broken = rows.copy()
    broken[57, 2] = np.nan
    with pytest.raises(ClientError, match=r"Example 58 of train/[^ ]+ has a feature"):
        run(context_of(tmp_path / "a", {"train": (broken, labels)}))
    half = labels.copy()
    half[3] = 0.5
    with pytest.raises(ClientError, match=r"Example 4 of train/[^ ]+ has the label 0\.5"):
        run(context_of(tmp_path / "b", {"train": (rows, half)}))
    half[3] = np.inf
    with pytest.raises(ClientError, match=r"Example 4 of train/[^ ]+ has a label that is not"):
        run(context_of(tmp_path / "c", {"train": (rows, half)}), predictor_type="regressor")
    with pytest.raises(ClientError, match="examples of the train channel have no labels"):
        run(context_of(tmp_path / "d", {"train": (rows, None)}))
    with pytest.raises(ClientError, match="4 features, expected 7"):
        run(context_of(tmp_path / "e", {"train": TRAIN}), feature_dim="7")
    with pytest.raises(ClientError, match="holds 100 examples, fewer than the 101 neighbours"):
        run(context_of(tmp_path / "f", {"train": TRAIN}), k="101", sample_size="200")


def test_a_single_class_is_refused_and_a_single_value_is_not(tmp_path: Path):
    ones = (TRAIN[0], np.ones(100, np.float32))
    with pytest.raises(ClientError, match="All labels of the train channel are 1"):
        run(context_of(tmp_path / "a", {"train": ones}))
    run(context_of(tmp_path / "b", {"train": ones}), predictor_type="regressor")
    assert KNN.load(tmp_path / "b" / "model").predict(TEST[0]).tolist() == [1.0] * 50


def test_the_width_may_be_left_to_the_data(tmp_path: Path):
    run(context_of(tmp_path / "a", {"train": TRAIN}), feature_dim="auto")
    assert KNN.load(tmp_path / "a" / "model").feature_dim == 4
    with pytest.raises(ClientError, match="4 is not less than 4"):
        run(
            context_of(tmp_path / "b", {"train": TRAIN}),
            feature_dim="auto",
            dimension_reduction_type="sign",
            dimension_reduction_target="4",
        )
