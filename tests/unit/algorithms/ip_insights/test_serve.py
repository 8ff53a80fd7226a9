"""IP Insights' answers in the forms AWS documents."""

import json

import numpy as np
import pytest
from tests.unit.algorithms.ip_insights.networks import USERS, pairs

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.ip_insights.serve import IPInsightsPredictor, load

JSON, LINES, CSV = "application/json", "application/jsonlines", "text/csv"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> IPInsightsPredictor:
    folder = tmp_path_factory.mktemp("model")
    model = IPInsights(2 * USERS, 4, learning_rate=0.02, mini_batch_size=300)
    model.fit(*pairs(3000, 1)).save(folder)
    return load(folder, {})


def dots(predictor: IPInsightsPredictor, body: bytes, kind: str) -> list[float]:
    answer, _ = predictor.invoke(body, kind, JSON)
    return [each["dot_product"] for each in json.loads(answer)["predictions"]]


def test_all_documented_requests_ask_the_same(predictor):
    """The forms of the developer guide's page on inference data formats."""
    expected = predictor._model.predict(["user-1", "user-2"], ["21.7.3.2", "10.10.1.2"]).tolist()
    instances = [
        {"data": {"features": {"values": ["user-1", "21.7.3.2"]}}},
        {"features": ["user-2", "10.10.1.2"]},
    ]
    bodies = [
        (b"user-1, 21.7.3.2\nuser-2, 10.10.1.2", CSV),
        (b'"user-1","21.7.3.2"\r\n"user-2","10.10.1.2"\r\n', "text/csv; charset=utf-8"),
        (json.dumps({"instances": instances}).encode(), JSON),
        ("\n".join(map(json.dumps, instances)).encode(), LINES),
        (
            json.dumps(
                {"instances": [{"data": ["user-1", " 21.7.3.2 "]}, ["user-2", "10.10.1.2"]]}
            ).encode(),
            "",
        ),
        (
            json.dumps(
                {
                    "instances": [
                        {"features": {"values": ["user-1", "21.7.3.2"]}},
                        {"data": {"features": ["user-2", "10.10.1.2"]}},
                    ]
                }
            ).encode(),
            JSON,
        ),
    ]
    for body, kind in bodies:
        assert dots(predictor, body, kind) == pytest.approx(expected, rel=1e-12)
    assert expected[0] > 0 > expected[1]


def test_answers_in_json_and_json_lines(predictor):
    body = b"user-1,21.7.3.2\nnobody,21.7.3.2\n"
    answer, kind = predictor.invoke(body, CSV, "")
    assert kind == JSON
    first, second = json.loads(answer)["predictions"]
    assert first.keys() == {"dot_product"}
    assert second == {"dot_product": 0.0}
    answer, kind = predictor.invoke(body, CSV, LINES)
    assert kind == LINES
    assert [json.loads(line) for line in answer.splitlines()] == [first, second]


@pytest.mark.parametrize("accept", [f"{JSON}; verbose=True", f"{LINES};verbose=true"])
def test_verbose_adds_the_vectors(predictor, accept):
    answer, kind = predictor.invoke(b"user-1,21.7.3.2\nuser-3,1.1.1.1", CSV, accept)
    rows = (
        json.loads(answer)["predictions"] if kind == JSON else map(json.loads, answer.splitlines())
    )
    for row in rows:
        assert list(row) == ["dot_product", "entity_embedding", "ip_embedding"]
        assert len(row["entity_embedding"]) == len(row["ip_embedding"]) == 4
        product = np.dot(row["entity_embedding"], row["ip_embedding"])
        assert row["dot_product"] == pytest.approx(product)


def test_entities_are_the_same_in_all_forms(predictor):
    """A name that needs escapes, and one that is a number in JSON."""
    for name, quoted in (("user-1", "user-1"), ('Zo\u00eb "x", y', '"Zo\u00eb ""x"", y"')):
        instance = json.dumps({"instances": [{"features": [name, "21.7.3.2"]}]}).encode()
        from_csv = predictor.invoke(f"{quoted},21.7.3.2".encode(), CSV, JSON)
        assert predictor.invoke(instance, JSON, JSON) == from_csv
    number = json.dumps({"instances": [{"features": [17, "21.7.3.2"]}]}).encode()
    assert predictor.invoke(number, JSON, JSON) == predictor.invoke(b"17,21.7.3.2", CSV, JSON)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"u,1.2.3.4\nu,1.2.3\n", CSV, r"row 2 has '1\.2\.3', which is not an IPv4 address"),
        (b"u,1.2.3.4,5", CSV, "row 1 of the request: it has 3 columns"),
        (b"", CSV, "empty"),
        (b'{"instances":[{"features":["u","::1"]}]}', JSON, "'::1' is not an IPv4 address"),
        (b'{"instances":[{"features":["u"]}]}', JSON, "two features"),
        (b'{"instances":[{"features":[null,"1.2.3.4"]}]}', JSON, "entity must be a string"),
        (b'{"instances":[{"features":["u",16909060]}]}', JSON, "must be a string in decimal-dot"),
        (b'{"instances":[{"data":{"values":["u","1.2.3.4"]}}]}', JSON, "'features' is missing"),
        (b'{"rows":[]}', JSON, "'instances' is missing"),
        (b'{"instances":{}}', JSON, "must be a list"),
        (b"[]", JSON, "must be an object"),
        (b"\n", LINES, "empty"),
        (b'{"features":["u","1.2.3.4"]}\n{', LINES, "unable to evaluate payload provided"),
    ],
)
def test_what_is_no_pair_is_refused(predictor, body, kind, message):
    with pytest.raises(InferenceError, match=message) as refused:
        predictor.invoke(body, kind, JSON)
    assert refused.value.status == 400


def test_recordio_is_neither_read_nor_written(predictor):
    kind = "application/x-recordio-protobuf"
    for arguments, status in (((kind, JSON), 415), ((CSV, kind), 406), ((CSV, CSV), 406)):
        with pytest.raises(InferenceError) as refused:
            predictor.invoke(b"u,1.2.3.4", *arguments)
        assert refused.value.status == status


def test_no_instances_have_no_predictions(predictor):
    assert json.loads(predictor.invoke(b'{"instances":[]}', JSON, JSON)[0]) == {"predictions": []}
