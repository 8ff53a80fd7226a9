"""LDA jobs: channels in, artefact and AWS's log lines out."""

import io
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.lda.corpora import bars, topic_error

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense, write_sparse
from sagebrush.algorithms.lda import CARD
from sagebrush.algorithms.lda import model as lda_model
from sagebrush.algorithms.lda.artifact import read_model
from sagebrush.algorithms.lda.hyperparameters import SCHEMA
from sagebrush.algorithms.lda.model import LDA
from sagebrush.algorithms.lda.train import train
from sagebrush.algorithms.logs import Log

DATA = bars(5, 800)
GIVEN = {"num_topics": "5", "feature_dim": "25", "mini_batch_size": "800"}


def body_of(counts, *, sparse: bool = False) -> bytes:
    out = io.BytesIO()
    if sparse:
        write_sparse(out, counts)
    else:
        write_dense(out, counts.toarray())
    return out.getvalue()


def context_of(root: Path, channels: dict[str, bytes], **settings) -> TrainingContext:
    configs = {}
    for name, body in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "part-0").write_bytes(body)
        configs[name] = ChannelConfig(name, folder, **settings)
    (root / "model").mkdir(parents=True)
    return TrainingContext(root, {}, configs, log=Log("algo-1", io.StringIO()))


def run(context: TrainingContext, **hyperparameters: str) -> str:
    train(context, SCHEMA.parse(GIVEN | hyperparameters))
    return context.log._stream.getvalue()


def test_artifact_and_metric_are_those_of_the_image(tmp_path: Path):
    test = DATA.counts[:100]
    log = run(context_of(tmp_path, {"train": body_of(DATA.counts), "test": body_of(test)}))
    alpha, beta = decode_arrays((tmp_path / "model" / "model_algo-1").read_bytes())
    assert (alpha.shape, beta.shape) == ((5,), (5, 25))
    assert alpha.dtype == beta.dtype == np.float32
    assert topic_error(DATA.topics, beta) < 0.05
    metric = float(re.findall(CARD.metrics[0].regex, log)[-1])
    assert metric == pytest.approx(LDA.load(tmp_path / "model").score(test))


def test_sparse_records_give_the_model_of_dense_ones(tmp_path: Path):
    for name, is_sparse in (("sparse", True), ("dense", False)):
        run(context_of(tmp_path / name, {"train": body_of(DATA.counts, sparse=is_sparse)}))
    models = [read_model(tmp_path / name / "model") for name in ("sparse", "dense")]
    np.testing.assert_array_equal(models[0][1], models[1][1])


def test_csv_is_refused_in_pipe_mode(tmp_path: Path):
    context = context_of(tmp_path, {"train": b""}, content_type="text/csv", mode="Pipe")
    with pytest.raises(ClientError, match=r"'train' channel .*Pipe mode.*File mode only"):
        run(context)


@pytest.mark.parametrize(
    ("value", "message"),
    [("-2", "Example 2 of train/part-0 has the word count -2"), ("nan", "not")],
)
def test_what_is_no_count_fails_with_file_and_row(tmp_path: Path, value: str, message: str):
    rows = b"1," * 24 + b"1\n" + b"1," * 24 + value.encode() + b"\n"
    with pytest.raises(ClientError, match=message):
        run(context_of(tmp_path, {"train": rows}, content_type="text/csv;label_size=0"))


def test_a_test_channel_without_words_is_said_to_have_none(tmp_path: Path):
    empty = body_of(DATA.counts[:3] * 0)
    with pytest.raises(ClientError, match="The test channel holds no words"):
        run(context_of(tmp_path, {"train": body_of(DATA.counts), "test": empty}))


def test_a_pipe_of_more_than_the_budget_is_read_for_two_epochs(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lda_model, "default_budget_bytes", lambda: 60_000)
    body = body_of(DATA.counts)
    context = context_of(tmp_path, {"train": b""}, mode="Pipe")
    served = []

    def feed() -> None:
        for epoch in range(2):
            path = tmp_path / "input" / "data" / f"train_{epoch}"
            os.mkfifo(path)
            path.write_bytes(body)
            served.append(epoch)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    log = run(context)
    feeder.join(5)
    assert served == [0, 1]
    assert "all are read once more" in log
    assert topic_error(DATA.topics, read_model(tmp_path / "model")[1]) < 0.06


def test_a_stop_while_waiting_for_the_second_pipe_leaves_the_model(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(lda_model, "default_budget_bytes", lambda: 60_000)
    context = context_of(tmp_path, {"train": b""}, mode="Pipe")
    path = tmp_path / "input" / "data" / "train_0"
    os.mkfifo(path)

    def feed() -> None:
        path.write_bytes(body_of(DATA.counts))
        while "read once more" not in context.log._stream.getvalue():
            time.sleep(0.01)
        context.request_stop()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    assert "stopped" in run(context)
    feeder.join(5)
    assert topic_error(DATA.topics, read_model(tmp_path / "model")[1]) < 0.3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_topics", "0"),
        ("num_topics", "2.5"),
        ("feature_dim", "-1"),
        ("mini_batch_size", "0"),
        ("alpha0", "0"),
        ("alpha0", "x"),
        ("max_restarts", "0"),
        ("max_iterations", "0"),
        ("tol", "0"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: str):
    with pytest.raises(ClientError, match=f"{value!r} is not valid for the {name!r}"):
        SCHEMA.parse(GIVEN | {name: value})


def test_defaults_are_the_documented_ones():
    parsed = SCHEMA.parse(GIVEN)
    assert parsed["alpha0"] == 1.0
    assert parsed["max_restarts"] == 10
    assert parsed["max_iterations"] == 1000
    assert parsed["tol"] == 1e-8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file model_algo-1"),
        (b"nothing", "is no LDA model"),
        (encode_arrays([np.ones(3, np.float32)]), r"must hold alpha \(k\) and beta"),
        (encode_arrays([np.ones(3), np.ones((2, 4))]), "must hold alpha"),
        (encode_arrays([np.zeros(2), np.ones((2, 4))]), "alpha must be positive"),
        (encode_arrays([np.ones(2), np.zeros((2, 4))]), "alpha must be positive"),
        (encode_arrays([np.ones(2), np.full((2, 4), np.nan)]), "not finite"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None, message: str):
    if content is not None:
        (tmp_path / "model_algo-1").write_bytes(content)
    with pytest.raises(AlgorithmError, match=message):
        read_model(tmp_path)


def test_an_edited_model_loads(tmp_path: Path):
    """The documentation suggests to filter topics and save the list again, also in float64."""
    (tmp_path / "model_algo-1").write_bytes(encode_arrays([np.ones(2), np.eye(2, 4) + 0.5]))
    model = LDA.load(tmp_path)
    mixtures = model.transform(np.array([[30.0, 0, 0, 0], [0, 30, 0, 0]]))
    assert mixtures[0, 0] > 0.8
    assert mixtures[1, 1] > 0.8
