"""Inference requests and answers as AWS documents them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.blazing_text.conftest import topic_lines

from sagebrush.algorithms.blazing_text.serve import BlazingTextPredictor, load
from sagebrush.algorithms.blazing_text.text_classifier import TextClassifier
from sagebrush.algorithms.blazing_text.word_vectors import WordVectors
from sagebrush.algorithms.errors import InferenceError

MODELS = Path(__file__).parent / "models"
JSON, LINES = "application/json", "application/jsonlines"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> BlazingTextPredictor:
    folder = tmp_path_factory.mktemp("classifier")
    lines = topic_lines()
    model = TextClassifier(vector_dim=8, buckets=500, learning_rate=0.5, min_count=1)
    model.fit([text for _, text in lines], [str(topic) for topic, _ in lines]).save(folder)
    return load(folder, {})


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> BlazingTextPredictor:
    folder = tmp_path_factory.mktemp("words")
    model = WordVectors("skipgram", vector_dim=8, min_count=1)
    model.fit([text for _, text in topic_lines()]).save(folder)
    return load(folder, {})


def answer(predictor: BlazingTextPredictor, document: object, accept: str = "") -> object:
    body, kind = predictor.invoke(json.dumps(document).encode(), JSON, accept)
    assert kind == JSON
    return json.loads(body)


def test_a_sentence_gets_its_most_probable_label(classifier):
    texts = ["t1w1 t1w2 any3", "t2w1 t2w5"]
    found = answer(classifier, {"instances": texts})
    assert [each["label"] for each in found] == [["__label__1"], ["__label__2"]]
    assert all(set(each) == {"label", "prob"} and 0.5 < each["prob"][0] <= 1 for each in found)


def test_k_asks_for_more_labels_and_no_more_than_there_are(classifier):
    for k, expected in ((2, 2), (3, 3), (9, 3)):
        document = {"instances": ["t1w1 t2w2"], "configuration": {"k": k}}
        (found,) = answer(classifier, document)
        assert len(found["label"]) == len(found["prob"]) == expected
        assert found["prob"] == sorted(found["prob"], reverse=True)


def test_json_lines_have_a_k_each(classifier):
    rows = [{"source": "t1w1 t1w2"}, {"source": "t0w1 t2w1", "k": 2}]
    body, kind = classifier.invoke(
        "\n".join(map(json.dumps, rows)).encode() + b"\n\n", LINES, LINES
    )
    assert kind == LINES
    assert body.endswith(b"\n")
    first, second = map(json.loads, body.splitlines())
    assert first["label"] == ["__label__1"]
    assert set(second["label"]) == {"__label__0", "__label__2"}


def test_accept_is_ignored(classifier):
    row = json.dumps({"source": "t1w1"}).encode()
    assert classifier.invoke(row, LINES, JSON)[1] == LINES
    assert answer(classifier, {"instances": ["t1w1"]}, "text/csv")


def test_a_text_that_says_nothing_gets_the_prior_of_line_ends(classifier):
    (found,) = answer(classifier, {"instances": [""]})
    assert len(found["label"]) == 1
    assert answer(classifier, {"instances": []}) == []


def test_words_get_vectors_and_unknown_ones_zeros(words):
    found = answer(words, {"instances": ["t1w1", "nowhere", "t1w1"]})
    assert [each["word"] for each in found] == ["t1w1", "nowhere", "t1w1"]
    assert found[1]["vector"] == [0.0] * 8
    assert any(found[0]["vector"])
    assert found[0]["vector"] == found[2]["vector"]
    body, _ = words.invoke(b'{"source": "t1w1"}\n', LINES, LINES)
    assert json.loads(body) == found[0]


def test_fasttext_models_are_hosted_as_they_are(tmp_path):
    expected = json.loads((MODELS / "expected.json").read_text())
    shutil.copy(MODELS / "softmax.bin", tmp_path / "model.bin")
    (found,) = answer(load(tmp_path, {}), {"instances": ["mot00 mot01 the"]})
    assert found["label"][0] == expected["softmax"]["mot00 mot01 the"][0][1]
    vectors = tmp_path / "vectors"
    vectors.mkdir()
    shutil.copy(MODELS / "skipgram_chars.bin", vectors / "cc.en.300.bin")
    (found,) = answer(load(vectors, {}), {"instances": ["unseen"]})
    np.testing.assert_allclose(found["vector"], expected["skipgram_chars"]["unseen"], atol=1e-6)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"vectors\.bin"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"text", "text/plain", 415),
        (b"", JSON, 400),
        (b"[]", JSON, 400),
        (b"{}", JSON, 400),
        (b'{"instances": "text"}', JSON, 400),
        (b'{"instances": [1]}', JSON, 400),
        (b'{"instances": ["a"], "configuration": 3}', JSON, 400),
        (b'{"instances": ["a"], "configuration": {"k": 0}}', JSON, 400),
        (b'{"instances": ["a"], "configuration": {"k": true}}', JSON, 400),
        (b"\n", LINES, 400),
        (b'{"source": 3}', LINES, 400),
        (b'{"source": "a", "k": "2"}', LINES, 400),
        (b'{"source": "a"', LINES, 400),
    ],
)
def test_requests_that_are_none_are_refused(classifier, body, kind, status):
    with pytest.raises(InferenceError) as raised:
        classifier.invoke(body, kind, "")
    assert raised.value.status == status
