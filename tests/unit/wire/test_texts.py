"""Timestamps, headers, query strings and scalars as text."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.wire import compression, load
from sagebrush.wire.header_text import header_reader, header_writer, split_list
from sagebrush.wire.messages import Request
from sagebrush.wire.querystring import parse_query
from sagebrush.wire.scalars import ScalarError, scalar_reader
from sagebrush.wire.timestamps import (
    format_http_date,
    format_iso8601,
    format_iso8601_milliseconds,
    format_unix,
    parse_http_date,
    parse_iso8601,
    parse_timestamp,
)

SECONDS = st.integers(-(10**10), 2 * 10**11)


@given(SECONDS)
def test_http_dates_are_those_of_the_standard_library(seconds):
    text = format_http_date(seconds)
    assert text == formatdate(seconds, usegmt=True)
    assert parse_http_date(text) == seconds == parsedate_to_datetime(text).timestamp()


@given(SECONDS, st.integers(0, 999))
def test_iso_dates_survive_with_milliseconds(seconds, milliseconds):
    moment = seconds + milliseconds / 1000
    assert parse_iso8601(format_iso8601(moment)) == moment
    always = format_iso8601_milliseconds(moment)
    assert (len(always), parse_iso8601(always)) == (24, moment)
    assert parse_timestamp(format_unix(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2015-10-21T07:28:00Z", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("2015-10-21T07:28:00.25Z", datetime(2015, 10, 21, 7, 28, 0, 250_000, UTC)),
        ("2015-10-21T09:28:00+02:00", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("2015-10-21T07:28:00", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("2015-10-21", datetime(2015, 10, 21, tzinfo=UTC)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("1445412480", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("1.44541248E9", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
    ],
)
def test_timestamps_in_every_form(text, moment):
    assert parse_timestamp(text) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "x", "2015-13-01", "Wed, 32 Oct 2015 07:28:00 GMT", "1e99"])
def test_what_is_no_timestamp_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_timestamp(text)


@given(st.lists(st.text("ab,\"' ", min_size=1).map(str.strip).filter(bool), min_size=1))
def test_header_lists_survive(items):
    shape = load("s3").operations["GetObjectAttributes"].input.members["ObjectAttributes"]
    shape.traits["member"] = {"shape": "ObjectKey"}
    assert header_reader(shape)(header_writer(shape)(items)) == items


def test_header_lists_of_the_wild():
    assert split_list("a, b ,c") == ["a", "b", "c"]
    assert split_list('"a, b","c\\"d"') == ["a, b", 'c"d']


def test_queries_keep_repeated_and_empty_parameters():
    query = parse_query("a=1&a=2&b&c=&d=%C3%A9+x&=e")
    assert query == {"a": ["1", "2"], "b": [""], "c": [""], "d": ["é x"], "": ["e"]}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", {"5": 5, " -7 ": -7, "+1": 1}, ["", "5.5", "x", "٣", "1" * 40]),
        ("double", {"5": 5.0, "-.5": -0.5, "1e3": 1000.0, "Infinity": float("inf")}, ["", "inf"]),
        ("boolean", {"true": True, "FALSE": False}, ["", "1", "yes"]),
        ("blob", {"YQ==": b"a", "YWJj\n ZA==": b"abcd"}, ["YQ", "é", "Y!=="]),
    ],
)
def test_scalars(kind, good, bad):
    class Shape:
        type = kind

    read = scalar_reader(Shape)
    assert {text: read(text) for text in good} == good
    for text in bad:
        with pytest.raises(ScalarError):
            read(text)


def test_gzip_bodies_are_inflated_and_bombs_refused():

    request = Request("POST", "/", "", {"content-encoding": "gzip"}, gzip.compress(b"x" * 99_999))
    compression.inflate(request)
    assert request.body == b"x" * 99_999
    assert "content-encoding" not in request.headers
    for body in (b"no gzip", gzip.compress(b"x")[:-3], gzip.compress(bytes(70 * 2**20), 1)):
        request = Request("POST", "/", "", {"content-encoding": "gzip"}, body)
        with pytest.raises(ApiError):
            compression.inflate(request)
