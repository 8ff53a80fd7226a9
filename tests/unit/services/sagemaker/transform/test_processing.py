"""Filters and joins: the guide's examples, and that nothing of a record changes on its way."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.sagemaker.transform.errors import FileFailure
from sagebrush.services.sagemaker.transform.processing import Processing, fields, processing_of


def processing(media_type: str, stamp: str = "", **asked: str) -> Processing:
    request = {"TransformInput": {"ContentType": media_type}, "DataProcessing": asked}
    found = processing_of(request, stamp)
    assert found is not None
    return found


def test_nothing_is_done_where_nothing_is_asked() -> None:
    for asked in ({}, {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}):
        assert processing_of({"TransformInput": {}, "DataProcessing": asked}, "") is None


def test_the_guides_join_of_csv() -> None:
    joined = processing("text/csv", JoinSource="Input")
    assert joined.payload([b"1,2,3", b"4,5,6"]) == b"1,2,3\n4,5,6"
    assert joined.output([b"1,2,3"], b"1\n") == [b"1,2,3,1"]


def test_the_guides_join_with_an_id_column_that_the_model_does_not_see() -> None:
    given_ = processing(
        "text/csv; charset=utf-8", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]"
    )
    records = [b"a,1,2", b'"b,c",3,4']
    assert given_.payload(records) == b"1,2\n3,4"
    assert given_.output(records, b"0.5\n0.25\n") == [b"a,0.5", b'"b,c",0.25']


def test_the_join_has_the_row_as_it_was_before_the_filter() -> None:
    given_ = processing("text/csv", InputFilter="$[1]", JoinSource="Input")
    assert given_.payload([b"a, 1,2"]) == b" 1"
    assert given_.output([b"a, 1,2"], b"7,8") == [b"a, 1,2,7,8"]


def test_an_output_filter_without_a_join_sees_the_answer() -> None:
    given_ = processing("text/csv", OutputFilter="$[-1]")
    assert given_.output([b"a", b"b"], b"1,2\n3,4") == [b"2", b"4"]


def test_the_guides_join_of_json() -> None:
    for media_type in ("application/json", "application/jsonlines"):
        joined = processing(media_type, JoinSource="Input")
        (found,) = joined.output([b'{"key":1}'], b'{"label":1}')
        assert json.loads(found) == {"key": 1, "SageMakerOutput": {"label": 1}}
        (found,) = joined.output([b"[1,2]"], b'{"label":1}')
        assert json.loads(found) == {"SageMakerInput": [1, 2], "SageMakerOutput": {"label": 1}}


def test_json_lines_are_filtered_on_both_sides() -> None:
    given_ = processing(
        "application/jsonlines",
        InputFilter="$.features",
        JoinSource="Input",
        OutputFilter="$['id','SageMakerOutput']",
    )
    records = [b'{"id":1,"features":[1,2]}', b'{"id":2,"features":[3]}']
    assert given_.payload(records) == b"[1,2]\n[3]"
    found = given_.output(records, b'{"score":0.5}\n{"score":1}\n')
    assert [json.loads(line) for line in found] == [
        {"id": 1, "SageMakerOutput": {"score": 0.5}},
        {"id": 2, "SageMakerOutput": {"score": 1}},
    ]


def test_one_json_record_may_be_answered_over_several_lines() -> None:
    joined = processing("application/json", OutputFilter="$.a")
    assert joined.output([b"{}"], b'{\n "a": 1\n}\n') == [b"1"]


@pytest.mark.parametrize("media_type", ["text/csv", "application/jsonlines"])
def test_answers_that_are_not_one_for_each_record_fail_the_file(media_type: str) -> None:
    with pytest.raises(FileFailure, match="answered 1 records to 2") as caught:
        processing(media_type, JoinSource="Input").output([b"1", b"2"], b"0,1\n")
    assert caught.value.kind == "AlgorithmError"


@pytest.mark.parametrize(
    ("media_type", "asked", "record", "answer", "problem", "kind"),
    [
        ("text/csv", {"InputFilter": "$[3]"}, b"1,2", b"", "InputFilter: $[3]", "ClientError"),
        ("text/csv", {"OutputFilter": "$[3]"}, b"1", b"5", "OutputFilter: $[3]", "ClientError"),
        ("application/json", {"InputFilter": "$.a"}, b"{}", b"", "attribute 'a'", "ClientError"),
        ("application/json", {"InputFilter": "$.a"}, b"{", b"", "no valid JSON", "ClientError"),
        ("application/json", {"OutputFilter": "$.a"}, b"1", b"<", "no valid", "AlgorithmError"),
    ],
)
def test_what_does_not_fit_fails_the_file(
    media_type: str, asked: dict[str, str], record: bytes, answer: bytes, problem: str, kind: str
) -> None:
    given_ = processing(media_type, **asked)
    work = given_.payload if "InputFilter" in asked else partial(given_.output, answer=answer)
    with pytest.raises(FileFailure, match=re.escape(problem)) as caught:
        work([record])
    assert caught.value.kind == kind


def test_inference_ids_stand_behind_what_the_filter_leaves() -> None:
    stamp = "2022-08-30T00:49:15Z"
    (line,) = processing("text/csv", stamp, OutputFilter="$[0]").output([b"a"], b"1,2")
    value, identity, started = line.decode().split(",")
    assert (value, started) == ("1", stamp)
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", identity)
    given_ = processing("application/jsonlines", stamp)
    one, other = (json.loads(line) for line in given_.output([b"1", b"2"], b'{"output":0}\n5'))
    assert one["output"] == 0
    assert other["SageMakerOutput"] == 5
    assert one["SageMakerInferenceTime"] == other["SageMakerInferenceTime"] == stamp
    assert one["SageMakerInferenceId"] != other["SageMakerInferenceId"]


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)


@given(st.lists(FIELD, min_size=1, max_size=6))
def test_fields_are_those_of_the_standard_library_with_their_quotes(row: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    line = out.getvalue().encode()
    found = fields(line)
    assert b",".join(found) == line
    assert [next(csv.reader([field.decode()]), [""])[0] if field else "" for field in found] == row


@given(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")))
def test_fields_lose_nothing_of_any_line(line: bytes) -> None:
    assert b",".join(fields(line)) == line


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(JSON, JSON)
def test_a_join_of_json_holds_input_and_output(record: Any, answer: Any) -> None:
    joined = processing("application/jsonlines", JoinSource="Input")
    (line,) = joined.output([json.dumps(record).encode()], json.dumps(answer).encode())
    found = json.loads(line)
    assert found.pop("SageMakerOutput") == answer
    if isinstance(record, dict):
        assert found == {key: value for key, value in record.items() if key != "SageMakerOutput"}
    else:
        assert found == {"SageMakerInput": record}
