"""What every built-in algorithm must do; a new one is found through the registry."""

import itertools
import json
import os
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.algorithms.bad_data import KINDS, bad_data_of
from tests.unit.algorithms.contract import FEATURE_DIM, Example
from tests.unit.algorithms.contract_examples import ESTIMATORS, EXAMPLES

from sagebrush.algorithms import algorithm_names, card_of, container
from sagebrush.algorithms.card import Card, load_attribute
from sagebrush.algorithms.container import train_main
from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.hyperparameters import Schema


def ids(example: Example) -> str:
    return "-".join(filter(None, [example.algorithm, example.name]))


class Jobs:
    """Trains examples, each in a container root of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def train(
        self,
        example: Example,
        content_type: str | None = None,
        name: str = "job",
        mode: str = "File",
        data: bytes | None = None,
        **hyperparameters: str,
    ) -> int:
        """Train on the example's rows, or on other bytes; returns the exit code."""
        card = card_of(example.algorithm)
        root = self.folder / name
        channels = {}
        for channel in card.channels:
            given = "train" if "train" in channel.aliases else channel.name
            if given in (example.channels or ("train", "validation", "test")):
                channels[given] = {
                    "TrainingInputMode": mode,
                    "S3DistributionType": channel.distributions[0],
                }
                if content_type:
                    channels[given]["ContentType"] = content_type
                body = example.training(content_type) if data is None else data
                deliver(root / "input" / "data" / given, body, mode)
        config = root / "input" / "config"
        config.mkdir(parents=True)
        strings = example.hyperparameters | hyperparameters
        (config / "hyperparameters.json").write_text(json.dumps(strings))
        (config / "inputdataconfig.json").write_text(json.dumps(channels))
        return train_main(example.algorithm, root)

    def predictor(self, example: Example, name: str = "job") -> Any:
        load = load_attribute(card_of(example.algorithm).load)
        return load(self.folder / name / "model", {"SM_NUM_CPUS": "1"})

    def failure(self, name: str = "job") -> str:
        return (self.folder / name / "output" / "failure").read_text()


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    return Jobs(tmp_path)


def deliver(path: Path, data: bytes, mode: str) -> None:
    if mode != "Pipe":
        path.mkdir(parents=True)
        (path / "part-0").write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)

    def feed() -> None:
        # More epochs than are read: the last writer waits for a reader until the test ends.
        for epoch in range(2):
            os.mkfifo(f"{path}_{epoch}")
            try:
                Path(f"{path}_{epoch}").write_bytes(data)
            except BrokenPipeError:
                return

    threading.Thread(target=feed, daemon=True).start()


def numbers_in(body: bytes, content_type: str) -> list[float]:
    """All numbers of an answer, whatever its form, in order."""
    name = content_type.partition(";")[0]
    if name == "application/json":
        return list(flattened(json.loads(body)))
    if name == "application/jsonlines":
        return list(flattened([json.loads(line) for line in body.splitlines() if line]))
    if name == "text/csv":
        return [float(cell) for cell in re.split(r"[,\n]+", body.decode().strip()) if cell]
    return []


def flattened(document: Any) -> Iterator[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from flattened(each)
    elif isinstance(document, str):
        yield float(zlib.crc32(document.encode()))
    else:
        yield float(document)


def train_types(card: Card) -> tuple[str, ...]:
    channel = card.channel("train")
    assert channel is not None
    return channel.content_types


def test_every_algorithm_has_an_example():
    assert {example.algorithm for example in EXAMPLES} == set(algorithm_names())


@pytest.mark.parametrize("name", algorithm_names())
def test_the_card_is_whole(name):
    card = card_of(name)
    schema = load_attribute(card.hyperparameters)
    assert card.name == name
    assert isinstance(schema, Schema)
    assert callable(load_attribute(card.train))
    assert callable(load_attribute(card.load))
    assert card.repositories
    assert card.title
    assert card.summary
    assert any(channel.required for channel in card.channels)
    assert len({metric.name for metric in card.metrics}) == len(card.metrics)
    for metric in card.metrics:
        assert re.compile(metric.regex).groups == 1
    for channel in card.channels:
        assert set(channel.modes) <= {"File", "Pipe", "FastFile"}
    assert card.default_accept in card.accepts
    assert card.default_content_type in train_types(card)


@pytest.mark.parametrize("name", algorithm_names())
def test_defaults_are_values_that_users_may_give(name):
    schema: Schema = load_attribute(card_of(name).hyperparameters)
    names = [each for item in schema.fields for each in (item.name, *item.aliases)]
    assert len(set(names)) == len(names)
    for description in schema.describe():
        item = schema.field(description["Name"])
        if item.required:
            assert item.default is None
        elif "DefaultValue" in description:
            assert item.parse(description["DefaultValue"]) == item.default


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_missing_and_unknown_hyperparameters_are_refused(example):
    schema: Schema = load_attribute(card_of(example.algorithm).hyperparameters)
    schema.parse(example.hyperparameters)
    for item in schema.fields:
        if item.required:
            rest = {k: v for k, v in example.hyperparameters.items() if k != item.name}
            with pytest.raises(ClientError, match=item.name):
                schema.parse(rest)
    with pytest.raises(ClientError, match="no_such_name"):
        schema.parse(example.hyperparameters | {"no_such_name": "1"})


def answers_of(predictor: Any, example: Example, rows: range) -> list[float]:
    card = card_of(example.algorithm)
    kind = "text/csv" if "text/csv" in card.content_types else card.content_types[0]
    body, kind = predictor.invoke(example.request(kind, rows), kind, card.default_accept)
    return numbers_in(body, kind)


@pytest.mark.parametrize(
    ("example", "content_type"),
    [
        pytest.param(each, kind, id=f"{ids(each)}-{kind}")
        for each in EXAMPLES
        for kind in each.content_types or train_types(card_of(each.algorithm))
    ],
)
def test_every_documented_training_type_gives_the_same_model(jobs, example, content_type):
    parameters = ";label_size=0" if content_type == "text/csv" and not example.labelled else ""
    assert jobs.train(example, content_type + parameters) == 0
    assert jobs.train(example, name="reference") == 0
    rows = range(9)
    found = answers_of(jobs.predictor(example), example, rows)
    expected = answers_of(jobs.predictor(example, "reference"), example, rows)
    assert len(found) >= len(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_a_pipe_trains_as_a_file_does(jobs, example):
    kind = "application/x-recordio-protobuf"
    channel = card_of(example.algorithm).channel("train")
    if "Pipe" not in channel.modes or kind not in channel.content_types:
        pytest.skip("the algorithm reads no RecordIO-protobuf from a pipe")
    epochs = {"epochs": "1"} if "epochs" in example.hyperparameters else {}
    assert jobs.train(example, kind, **epochs) == 0
    assert jobs.train(example, kind, "pipe", mode="Pipe", **epochs) == 0
    rows = range(9)
    np.testing.assert_array_equal(
        answers_of(jobs.predictor(example), example, rows),
        answers_of(jobs.predictor(example, "pipe"), example, rows),
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_the_metrics_of_the_card_are_in_the_log(jobs, example, capsys):
    assert jobs.train(example) == 0
    # The log agent writes control characters as #0 and three octal digits.
    lines = capsys.readouterr().out.replace("\t", "#011").splitlines()
    declared = {metric.name: metric for metric in card_of(example.algorithm).metrics}
    for name in example.metrics:
        matches = [re.search(declared[name].regex, line) for line in lines]
        values = [float(match[1]) for match in matches if match]
        assert values, name
        assert np.isfinite(values).all()


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_the_same_job_gives_the_same_model_however_often_it_is_loaded(jobs, example):
    assert jobs.train(example) == 0
    assert jobs.train(example, name="again") == 0
    rows = range(60)
    first = answers_of(jobs.predictor(example), example, rows)
    assert first == answers_of(jobs.predictor(example), example, rows)
    assert first == answers_of(jobs.predictor(example, "again"), example, rows)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_every_content_type_in_and_out_gives_the_same_answers(jobs, example):
    card = card_of(example.algorithm)
    assert jobs.train(example) == 0
    predictor = jobs.predictor(example)
    rows = range(5)
    expected = answers_of(predictor, example, rows)
    for kind in card.content_types:
        for accept in card.accepts:
            body, found = predictor.invoke(example.request(kind, rows), kind, accept)
            assert found.partition(";")[0] == (kind if example.accept_ignored else accept)
            if accept == "application/x-recordio-protobuf":
                assert body[:4] == bytes.fromhex("0a23d7ce")
            else:
                np.testing.assert_allclose(numbers_in(body, found), expected, rtol=1e-5)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_a_row_alone_is_answered_as_among_others(jobs, example):
    assert jobs.train(example) == 0
    predictor = jobs.predictor(example)
    rows = range(6)
    alone = [each for i in rows for each in answers_of(predictor, example, range(i, i + 1))]
    np.testing.assert_allclose(alone, answers_of(predictor, example, rows), rtol=1e-6)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_requests_that_cannot_be_answered_get_the_documented_status(jobs, example):
    card = card_of(example.algorithm)
    assert jobs.train(example) == 0
    predictor = jobs.predictor(example)
    kind = card.content_types[0]
    body = example.request(kind, range(1))

    def status(body: bytes, kind: str, accept: str = "") -> int:
        with pytest.raises(InferenceError) as raised:
            predictor.invoke(body, kind, accept)
        return raised.value.status

    assert status(body, "image/png") == 415
    if not example.accept_ignored:
        assert status(body, kind, "image/png") == 406
    if example.numeric and "text/csv" in card.content_types:
        assert status(b"1,2," * 9, "text/csv") in (400, 415)
    for kind in card.content_types:
        # XGBoost answers an empty request with "no content".
        assert status(b"", kind) in (204, 400, 415)
        assert status(b"\x00\xff\xfe", kind) in (400, 415)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
@pytest.mark.parametrize(
    ("content_type", "data", "message"),
    [
        ("text/csv", b"1,2,3,4,5\n1,2,x,4,5\n", r"row 2 of train/part-0.*'x'"),
        ("text/csv", b"1,2,3,4,5\n1,2,3\n", r"row 2 of train/part-0"),
        ("application/x-recordio-protobuf", b"1,2,3,4,5\n", r"record 0 of train/part-0"),
        ("text/csv", b"", r"(?i)no data|no examples|empty"),
    ],
)
def test_bad_data_fails_the_job_naming_file_and_row(jobs, example, content_type, data, message):
    if not example.numeric or content_type not in train_types(card_of(example.algorithm)):
        pytest.skip("the algorithm does not read numbers in this content type")
    assert jobs.train(example, content_type, data=data) == 2
    assert jobs.failure().startswith("ClientError: ")
    assert re.search(message, jobs.failure())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_every_kind_of_bad_data_is_known(example, kind):
    """Or the example says why there is none; tests/e2e/test_bad_data.py trains on them."""
    bad = bad_data_of(example, kind)
    assert bad if isinstance(bad, str) else re.compile(bad.reason)


@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_a_stop_leaves_a_model_that_can_be_loaded(jobs, example, monkeypatch):
    """A SIGTERM after the first round or batch."""
    looks = itertools.count()
    monkeypatch.setattr(container.TrainingContext, "stop_requested", lambda _: next(looks) > 0)
    assert jobs.train(example, **example.keeping_model_on_stop) == 0
    assert next(looks) > 1, "the algorithm never looked whether it should stop"
    rows = range(3)
    assert len(answers_of(jobs.predictor(example), example, rows)) >= 3


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_is_a_plain_library(name, tmp_path):
    """Default construction, arrays in and out, one seed one model, saved and loaded unchanged."""
    estimator = load_attribute(ESTIMATORS[name])
    generator = np.random.default_rng(0)
    features = generator.normal(size=(2000, FEATURE_DIM)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.float32)
    fitted = [estimator(), estimator()]
    example = next(each for each in EXAMPLES if each.algorithm == name)
    labelled = example.labelled
    features = np.abs(4 * features).round() if example.counts else features
    for each in fitted:
        each.fit(features, labels) if labelled else each.fit(features)
    answer = "predict" if hasattr(estimator, "predict") else "transform"
    found = getattr(fitted[0], answer)(features)
    assert len(found) == 2000
    np.testing.assert_array_equal(found, getattr(fitted[1], answer)(features))
    fitted[0].save(tmp_path)
    loaded = estimator.load(tmp_path)
    np.testing.assert_array_equal(found, getattr(loaded, answer)(features))
