"""Factorization Machines jobs: channels in, artefact and AWS's log lines out."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import KBinsDiscretizer

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.factorization_machines import CARD
from sagebrush.algorithms.factorization_machines.hyperparameters import SCHEMA
from sagebrush.algorithms.factorization_machines.model import FactorizationMachine
from sagebrush.algorithms.factorization_machines.train import train
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_sparse
from sagebrush.algorithms.logs import Log

VALUES, LABELS = load_breast_cancer(return_X_y=True)
# Each of the 30 measurements in 8 bins: 240 columns, 30 of them one in each row.
ROWS = sparse.csr_matrix(
    KBinsDiscretizer(8, strategy="quantile", quantile_method="averaged_inverted_cdf").fit_transform(
        VALUES
    )
)
CHANNELS = {"train": slice(0, 400), "test": slice(400, None)}
BINARY = {
    "feature_dim": str(ROWS.shape[1]),
    "num_factors": "4",
    "predictor_type": "binary_classifier",
    "mini_batch_size": "50",
    "epochs": "10",
    "linear_lr": "0.01",
    "factors_lr": "0.01",
    "factors_init_sigma": "0.05",
}


def context_of(root: Path, channels: dict, rows=ROWS, labels=LABELS, **options) -> TrainingContext:
    configs = {}
    for name, part in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        with (folder / "part-0").open("wb") as stream:
            chosen = sparse.csr_matrix(rows[part]).astype(np.float32)
            write_sparse(stream, chosen, None if labels is None else labels[part].astype("f4"))
        configs[name] = ChannelConfig(name, folder)
    (root / "model").mkdir()
    log = Log(options.get("current_host", "algo-1"), StringIO())
    return TrainingContext(root, {}, configs, log=log, **options)


def run(context: TrainingContext, hyperparameters: dict = BINARY, **more: str) -> str:
    train(context, SCHEMA.parse(hyperparameters | more))
    return context.log._stream.getvalue()


def metrics(log: str, name: str) -> list[float]:
    regex = next(each.regex for each in CARD.metrics if each.name == name)
    return [float(value) for value in re.findall(regex, log)]


def test_log_and_artifact_are_those_of_the_image(tmp_path: Path):
    log = run(context_of(tmp_path, CHANNELS), batch_metrics_publish_interval="3")
    model = FactorizationMachine.load(tmp_path / "model")
    accuracy = (model.predict(ROWS[400:]) == LABELS[400:]).mean()
    assert accuracy > 0.92
    assert metrics(log, "test:binary_classification_accuracy") == [pytest.approx(accuracy)]
    assert metrics(log, "test:binary_f_beta")[0] > 0.92
    assert 0 < metrics(log, "test:binary_classification_cross_entropy")[0] < 0.3
    # 8 mini-batches in each of 10 epochs, of which those of number 0, 3 and 6 are reported.
    assert len(metrics(log, "train:binary_classification_accuracy")) == 30
    losses = metrics(log, "train:binary_classification_cross_entropy:epoch")
    assert len(losses) == 10
    assert losses[-1] < losses[0] / 3
    assert metrics(log, "train:progress")[-1] == 100.0
    assert metrics(log, "train:throughput")[0] > 0
    for expected in (
        r"host=algo-1, epoch=0, batch=0 train binary_classification_accuracy <score>=0\.\d",
        r"host=algo-1, epoch=0, batch=3 train binary_classification_cross_entropy <loss>=\d",
        r"host=algo-1, epoch=9, train binary_f_1.000 <score>=",
        r"host=algo-1, test binary_f_1.000 <score>=",
        r"#train_score \(algo-1\) : \('binary_classification_accuracy', ",
        r"#test_score \(algo-1\) : \('binary_classification_cross_entropy', 0\.",
        r"#progress_metric: host=algo-1, completed 10.0 % of epochs",
    ):
        assert re.search(expected, log), expected


def test_a_regressor_has_its_own_figures(tmp_path: Path):
    hyperparameters = BINARY | {"predictor_type": "regressor"}
    log = run(context_of(tmp_path, CHANNELS), hyperparameters)
    residuals = FactorizationMachine.load(tmp_path / "model").predict(ROWS[400:]) - LABELS[400:]
    assert metrics(log, "test:mse") == [pytest.approx((residuals**2).mean(), rel=1e-5)]
    assert metrics(log, "test:rmse") == [pytest.approx((residuals**2).mean() ** 0.5, rel=1e-5)]
    assert metrics(log, "test:absolute_loss") == [pytest.approx(abs(residuals).mean(), rel=1e-5)]
    assert re.search(r"epoch=0, batch=0 train rmse <loss>=\d", log)
    assert "binary" not in log


def test_without_a_test_channel(tmp_path: Path):
    assert "Test data is not provided." in run(context_of(tmp_path, {"train": slice(0, 200)}))


def test_epochs_have_a_line_of_metrics(tmp_path: Path):
    log = run(context_of(tmp_path, CHANNELS), epochs="2")
    lines = [json.loads(line[9:]) for line in log.splitlines() if line.startswith("#metrics ")]
    epochs = [each["Dimensions"]["epoch"] for each in lines if "epoch" in each["Dimensions"]]
    assert epochs == [0, 1]
    assert lines[0]["Dimensions"]["Algorithm"] == "factorization-machines"
    assert lines[0]["Metrics"]["Total Records Seen"]["sum"] == 400


def test_two_hosts_train_one_model_of_all_rows(tmp_path: Path):
    # Sorted by label, so that either host alone would see hardly anything but one class.
    order = np.argsort(LABELS[:400], kind="stable")
    hosts = ["127.0.6.1", "127.0.6.2"]
    parts = [order[:170], order[170:]]

    def host(rank: int) -> str:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": parts[rank], "test": CHANNELS["test"]},
            hosts=hosts,
            current_host=hosts[rank],
        )
        return run(context, mini_batch_size="25")

    with ThreadPoolExecutor(2) as pool:
        logs = list(pool.map(host, range(2)))
    name = "test:binary_classification_accuracy"
    assert metrics(logs[0], name) == metrics(logs[1], name)
    assert metrics(logs[0], name)[0] > 0.92
    assert '"Total Records Seen": {"sum": 400.0' in logs[1]
    model = FactorizationMachine.load(tmp_path / hosts[0] / "model")
    assert (model.predict(ROWS[400:]) == LABELS[400:]).mean() > 0.92
    assert not list((tmp_path / hosts[1] / "model").iterdir())


def test_hosts_take_the_steps_that_one_host_takes(tmp_path: Path):
    """Two hosts with half of each mini-batch: the same gradient, summed in another order."""
    hosts = ["127.0.7.1", "127.0.7.2"]

    def host(rank: int) -> None:
        context = context_of(
            tmp_path / hosts[rank],
            {"train": slice(rank, 400, 2)},
            hosts=hosts,
            current_host=hosts[rank],
        )
        run(context, epochs="1", mini_batch_size="25")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(host, range(2)))
    halves = [np.arange(400).reshape(8, 25, 2)[:, :, rank] for rank in range(2)]
    order = np.concatenate(halves, axis=1).ravel()
    run(context_of(tmp_path / "one", {"train": order}), epochs="1", mini_batch_size="50")
    one = FactorizationMachine.load(tmp_path / "one" / "model")
    two = FactorizationMachine.load(tmp_path / hosts[0] / "model")
    np.testing.assert_allclose(two.v, one.v, atol=2e-5)
    np.testing.assert_allclose(two.w, one.w, atol=2e-5)
    assert two.w0 == pytest.approx(one.w0, abs=2e-5)


def test_a_stop_ends_with_a_model(tmp_path: Path):
    context = context_of(tmp_path, CHANNELS)
    context.request_stop()
    log = run(context)
    assert "epoch=1," not in log
    assert FactorizationMachine.load(tmp_path / "model").v.shape == (ROWS.shape[1], 4)


def test_bad_rows_are_named_within_their_file(tmp_path: Path):
    labels = LABELS.astype(np.float32)
    labels[41] = 3
    with pytest.raises(ClientError, match=r"Example 42 of train/part-0 has the label 3\. Labels"):
        run(context_of(tmp_path / "a", {"train": slice(0, 100)}, labels=labels))
    rows = ROWS.astype(np.float32)
    rows.data[450 * 30] = np.inf
    with pytest.raises(ClientError, match="Example 51 of test/part-0 has a feature"):
        run(context_of(tmp_path / "b", CHANNELS, rows=rows))
    with pytest.raises(ClientError, match="Example 1 of train/part-0 has no label"):
        run(context_of(tmp_path / "c", {"train": slice(0, 10)}, labels=None))
    with pytest.raises(ClientError, match="have 240 features, expected 7"):
        run(context_of(tmp_path / "d", CHANNELS), feature_dim="7")
    with pytest.raises(ClientError, match="All labels of the train channel are 1"):
        run(context_of(tmp_path / "e", {"train": LABELS == 1}))
