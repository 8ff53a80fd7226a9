"""One pair at a time: the same bits as the general way, and the same texts for pairs."""

import json
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.algorithms.ip_insights.networks import pairs

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.ip_insights import lone_pair, serve
from sagebrush.algorithms.ip_insights.lone_pair import LonePair, read_pair
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.pairs import (
    hash_entities,
    pack,
    pack_pair,
    parse_addresses,
    parse_pairs,
)
from sagebrush.algorithms.ip_insights.serve import IPInsightsPredictor

ENTITIES = st.sampled_from(["user-1", "user-59", "stranger", ' "user-3" ', '"a,b"', '"q""q"', ""])
ADDRESSES = st.ip_addresses(v=4).map(str) | st.sampled_from(["21.7.3.2", "34.7.3.255", "1.2.3.4 "])
FLAWED = st.sampled_from(
    ["256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4,5", "", '"1.2.3.4"', '"', "\0"]
)
LINES = st.tuples(ENTITIES, ADDRESSES | FLAWED).map(",".join) | st.text('a1.," \r\n', max_size=9)
TEXTS = st.tuples(
    st.lists(LINES, max_size=2).map("\n".join), st.sampled_from(["", "\n", "\r\n", "\n\n", "\n "])
).map(lambda parts: "".join(parts).encode())


def trained(width: int = 8, layers: int = 2, room: int = 200) -> IPInsights:
    model = IPInsights(
        room, width, num_ip_encoder_layers=layers, epochs=2, mini_batch_size=100, learning_rate=0.05
    )
    return model.fit(*pairs(300, 1))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> IPInsightsPredictor:
    folder = tmp_path_factory.mktemp("model")
    trained().save(folder)
    return serve.load(folder, {})


def random_pairs(count: int) -> np.ndarray:
    """Pairs that training met, strangers, and addresses from everywhere."""
    random = np.random.default_rng(7)
    known = IPInsights().packed(*pairs(count, 2))
    anything = random.integers(0, 2**64 - 1, count, np.uint64)
    near = known ^ np.uint64(1) << random.integers(0, 32, count, np.uint64)
    return np.concatenate([known, anything, near])


@pytest.mark.parametrize("width", [1, 8, 67, 128])
@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("room", [200, 7], ids=["own vectors", "shared vectors"])
def test_vectors_are_those_of_the_model_bit_by_bit(width, layers, room):
    model = trained(width, layers, room)
    alone = LonePair(model)
    with mock.patch.object(lone_pair, "FIXED_BYTES", -1):
        converting = LonePair(model)
    for pair in random_pairs(40):
        expected = model.embeddings(np.array([pair]))
        for found in (alone.embeddings(int(pair)), converting.embeddings(int(pair))):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])
            assert found[0].shape == found[1].shape == (1, width)


def test_scores_are_those_among_other_pairs(predictor):
    sought = random_pairs(40)
    together = predictor._model.score(sought)
    alone = [predictor._embeddings(sought[at : at + 1]) for at in range(len(sought))]
    found = [float(entity[0] @ address[0]) for entity, address in alone]
    assert found == pytest.approx(together.tolist(), rel=1e-12, abs=1e-15)
    assert np.abs(together).max() > 0.1


@given(TEXTS)
@example(b"user-1,1.2.3.4\n")
@example(b"user-1,1.2.3.4\nx")
@example(b"")
@settings(max_examples=400)
def test_one_line_is_read_as_any_lines_and_no_other_text_is(text):
    found = read_pair(text)
    try:
        every = parse_pairs(text, "x")
    except ClientError:
        assert found is None
        return
    if text.count(b"\n", 0, -1) or every.dropped or not every.entities.size:
        assert found is None
        return
    assert found is not None
    np.testing.assert_array_equal(found, pack(every.entities, every.addresses))


@example("\ud800", "1.2.3.4")
@given(st.text(st.characters()), st.ip_addresses(v=4).map(str))
def test_a_pair_is_packed_as_many_are(entity, address):
    expected = pack(hash_entities([entity]), parse_addresses([address]))
    found = pack_pair(entity, address)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@given(TEXTS, st.sampled_from(["", "application/jsonlines", "application/json;verbose=true"]))
@settings(max_examples=200, deadline=None)
def test_answers_and_refusals_are_those_of_the_general_way(predictor, text, accept):
    def outcome(asked: IPInsightsPredictor) -> tuple:
        try:
            return asked.invoke(text, "text/csv", accept)
        except InferenceError as error:
            return (error.status, error.message)

    general = IPInsightsPredictor(predictor._model)
    with (
        mock.patch.object(serve, "read_pair", return_value=None),
        mock.patch.object(general, "_embeddings", predictor._model.embeddings),
    ):
        expected = outcome(general)
    assert outcome(predictor) == expected


def test_verbose_adds_the_vectors_of_a_pair_alone(predictor):
    kind = "application/jsonlines"
    body, _ = predictor.invoke(b"user-1,21.7.3.2", "text/csv", f"{kind};verbose=true")
    both, _ = predictor.invoke(b"user-1,21.7.3.2\n" * 2, "text/csv", f"{kind};verbose=true")
    found, expected = json.loads(body), json.loads(both.splitlines()[0])
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-10)
