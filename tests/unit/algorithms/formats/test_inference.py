"""Request and response bodies of the first-party algorithms."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.unit.algorithms.formats import record_oracle as oracle

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
    encode_row,
)
from sagebrush.algorithms.formats.media_type import MediaType

VALUES = [[1.5, 2.0, 0.0], [0.0, -3.0, 4.0]]
JSON_FORMS = {
    "features": lambda row: {"features": row},
    "data list": lambda row: {"data": row},
    "tensor": lambda row: {"data": {"features": {"values": row}}},
    "tensor without keys": lambda row: {
        "configuration": {},
        "data": {"features": {"keys": [], "values": row, "shape": []}},
    },
    "tensor with a shape": lambda row: {"data": {"features": {"values": row, "shape": [3]}}},
    "tensor alone": lambda row: {"features": {"values": row}},
    "features list": lambda row: {"data": {"features": row}, "configuration": {"a": 1}},
    "sparse": lambda row: {
        "data": {
            "features": {
                "keys": [k for k, v in enumerate(row) if v],
                "shape": [len(row)],
                "values": [v for v in row if v],
            }
        }
    },
}


@pytest.mark.parametrize("form", JSON_FORMS)
@pytest.mark.parametrize("lines", [False, True])
def test_every_json_form_of_an_instance_is_read(form, lines):
    instances = [JSON_FORMS[form](row) for row in VALUES]
    if lines:
        body, content_type = "\n".join(map(json.dumps, instances)), "application/jsonlines"
    else:
        body, content_type = json.dumps({"instances": instances}), "application/json"
    features = decode_features(body.encode(), content_type, 3).features
    assert sparse.issparse(features) == (form == "sparse")
    found = features.toarray() if form == "sparse" else features
    np.testing.assert_array_equal(found, VALUES)
    assert found.dtype == np.float32


def test_dense_and_sparse_instances_may_be_mixed():
    body = {"instances": [JSON_FORMS["sparse"](VALUES[0]), JSON_FORMS["features"](VALUES[1])]}
    features = decode_features(json.dumps(body).encode(), "application/json", 3).features
    np.testing.assert_array_equal(features.toarray(), VALUES)


def test_a_row_of_zeros_is_sparse_without_keys():
    tensor = {"keys": [], "shape": [3], "values": []}
    body = json.dumps({"instances": [{"data": {"features": tensor}}]}).encode()
    features = decode_features(body, "application/json", 3).features
    np.testing.assert_array_equal(features.toarray(), [[0.0, 0.0, 0.0]])


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; label_size=0", "TEXT/CSV"])
def test_csv_rows_are_read(content_type):
    body = "\n".join(",".join(map(str, row)) for row in VALUES).encode()
    np.testing.assert_array_equal(decode_features(body, content_type, 3).features, VALUES)


def test_a_stated_label_is_left_out():
    found = decode_features(b"9,1,2\n", "text/csv;label_size=1", 2).features
    np.testing.assert_array_equal(found, [[1, 2]])


def test_records_are_read_and_their_uid_returned():
    records = [oracle.dense(np.array(row, np.float32), uid=f"u{i}") for i, row in enumerate(VALUES)]
    decoded = decode_features(oracle.stream(*records), "application/x-recordio-protobuf", 3)
    np.testing.assert_array_equal(decoded.features, VALUES)
    body, content_type = encode_response(
        {"score": np.array([0.5, 1.5], np.float32)},
        MediaType.parse("application/x-recordio-protobuf"),
        passthrough=decoded.passthrough,
    )
    assert content_type == "application/x-recordio-protobuf"
    expected = []
    for i, score in enumerate([0.5, 1.5]):
        record = oracle.Record(uid=f"u{i}")
        record.label["score"].float32_tensor.values.append(score)
        expected.append(record)
    assert body == oracle.stream(*expected)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", "application/json", ""),
        (b"{", "application/json", ""),
        (b"[1,2,3]", "application/json", "object with 'instances'"),
        (b"{}", "application/json", "'instances' is missing"),
        (b'{"instances": 3}', "application/json", "list"),
        (b'{"instances": [3]}', "application/json", "object or a list"),
        (b'{"instances": [{"x": [1]}]}', "application/json", "'data' is missing"),
        (b'{"instances": [{"features": [1, "a", 2]}]}', "application/json", "could not convert"),
        (b'{"instances": [{"features": [1, null, 2]}]}', "application/json", "not null"),
        (b'{"instances": [{"features": [[1], [2], [3]]}]}', "application/json", "list of numbers"),
        (b'{"instances": [{"features": [1, 2]}]}', "application/json", "2 features.* expects 3"),
        (
            b'{"instances": [{"data": {"features": {"keys": [7], "shape": [3], "values": [1]}}}]}',
            "application/json",
            "keys must lie between 0 and 2",
        ),
        (
            b'{"instances": [{"data": {"features": {"keys": [0], "shape": [], "values": [1]}}}]}',
            "application/json",
            "shape of a sparse instance",
        ),
        (b"", "application/jsonlines", "empty"),
        (b"", "text/csv", "empty"),
        (b"1,2\n", "text/csv", "2 features"),
        (b"1,b,2\n", "text/csv", "row 1 of the request"),
        (b"1,2,3", "application/x-recordio-protobuf", "record 0 of the request"),
    ],
)
def test_a_body_that_does_not_fit_is_a_client_error(body, content_type, reason):
    with pytest.raises(
        InferenceError, match=rf"unable to evaluate payload provided: .*{reason}"
    ) as e:
        decode_features(body, content_type, 3)
    assert e.value.status == 400


def test_spellings_that_only_python_takes_are_read():
    features = decode_features(b'{"instances": [[Infinity, 1.0]]}', "application/json", 2).features
    np.testing.assert_array_equal(features, [[np.inf, 1]])


def test_no_instances_are_no_rows():
    assert decode_features(b'{"instances": []}', "application/json", 3).features.shape == (0, 3)
    body, _ = encode_response({"score": np.empty(0)}, MediaType.parse("application/json"))
    assert body == b'{"predictions": []}'


def test_other_content_types_and_accepts_are_refused():
    with pytest.raises(InferenceError, match="image/png") as unsupported:
        decode_features(b"x", "image/png", 3)
    assert unsupported.value.status == 415
    with pytest.raises(InferenceError, match="image/png") as unacceptable:
        choose_accept("image/png")
    assert unacceptable.value.status == 406
    assert choose_accept("").name == "application/json"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (
            "application/json",
            (
                '{"predictions": [{"score": [0.5, 0.25], "predicted_label": 0},'
                ' {"score": [1.0, 0.0], "predicted_label": 1}]}'
            ),
        ),
        (
            "application/jsonlines",
            (
                '{"score": [0.5, 0.25], "predicted_label": 0}\n'
                '{"score": [1.0, 0.0], "predicted_label": 1}\n'
            ),
        ),
        ("text/csv", "0.5,0.25,0\n1.0,0.0,1"),
    ],
)
def test_answers_are_written_in_every_text_form(accept, expected):
    outputs = {
        "score": np.array([[0.5, 0.25], [1, 0]], np.float32),
        "predicted_label": np.array([0, 1]),
    }
    body, content_type = encode_response(outputs, choose_accept(accept))
    assert body.decode() == expected
    assert content_type == accept


VALUE = st.integers() | st.floats() | st.lists(st.floats(), max_size=3)


@example([float("inf")])
@example([0.5, [float("nan")]])
@given(st.lists(VALUE, min_size=1, max_size=3))
def test_a_row_alone_is_written_as_json_is_everywhere(values):
    """The standard library's encoder is the oracle."""
    names = ("score", "predicted_label", "nanobot")[: len(values)]
    expected = json.dumps(dict(zip(names, values, strict=True)))
    body, _ = encode_row(names, tuple(values), MediaType("application/json"), collection="scores")
    assert body.decode() == f'{{"scores": [{expected}]}}'
    lines, _ = encode_row(names, tuple(values), MediaType("application/jsonlines"))
    assert lines.decode() == f"{expected}\n"


@pytest.mark.parametrize(
    "accept",
    ["application/json", "application/jsonlines", "text/csv", "application/x-recordio-protobuf"],
)
def test_a_row_is_written_as_an_array_of_it(accept):
    outputs = {"score": np.array([[0.5, 0.25]], np.float32), "predicted_label": np.array([1])}
    media = choose_accept(accept)
    found = encode_row(tuple(outputs), ([0.5, 0.25], 1), media, passthrough=[b"\x1a\x01a"])
    assert found == encode_response(outputs, media, passthrough=[b"\x1a\x01a"])


def test_no_rows_are_written_as_nothing_in_every_form():
    for accept, expected in (
        ("application/json", b'{"predictions": []}'),
        ("application/jsonlines", b""),
        ("text/csv", b""),
        ("application/x-recordio-protobuf", b""),
    ):
        assert encode_response({"score": np.zeros(0)}, choose_accept(accept))[0] == expected


SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from([10**400, "a", "1", "nan"])
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["features", "data", "values", "keys", "shape"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(st.lists(DOCUMENTS, max_size=3))
@settings(max_examples=300, deadline=None)
def test_any_instances_are_read_or_refused(instances):
    body = json.dumps({"instances": instances}).encode()
    try:
        features = decode_features(body, "application/json", 2).features
    except InferenceError as error:
        assert error.status == 400  # noqa: PT017
    else:
        assert features.shape[1] == 2 or features.shape[0] == 0


def test_deep_nesting_is_refused():
    with pytest.raises(InferenceError, match="unable to evaluate"):
        decode_features(b"[" * 100_000, "application/json", 2)


@given(
    st.binary(max_size=60)
    | st.text('{}[]":,.0123456789 instancefurvlkyhpd\n', max_size=80).map(str.encode),
    st.sampled_from(
        ["application/json", "application/jsonlines", "text/csv", "application/x-recordio-protobuf"]
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_body_is_read_or_refused(body, content_type):
    try:
        features = decode_features(body, content_type, 2).features
    except InferenceError as error:
        assert error.status == 400  # noqa: PT017
    else:
        assert features.shape[1] == 2 or features.shape[0] == 0
