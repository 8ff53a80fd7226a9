"""HTTP requests from bytes, however they arrive."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.http_messages import (
    MAX_HEAD_BYTES,
    ProtocolError,
    RequestParser,
    parse_head,
    response_head,
)


def request(body: bytes, *headers: str, chunk: int = 0) -> bytes:
    """A POST with the body whole, or in chunks of some size."""
    framing = "Transfer-Encoding: chunked" if chunk else f"Content-Length: {len(body)}"
    head = "\r\n".join(["POST /invocations HTTP/1.1", "Host: x", *headers, framing, "", ""])
    if not chunk:
        return head.encode() + body
    parts = [body[i : i + chunk] for i in range(0, len(body), chunk)]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts)
    return head.encode() + chunks + b"0\r\nTrailer: 1\r\n\r\n"


def bodies_of(data: bytes, cuts: list[int]) -> list[bytes]:
    parser = RequestParser()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found = []
    for start, end in itertools.pairwise(edges):
        parser.feed(data[start:end])
        while (each := parser.next_request()) is not None:
            found.append(each[1])
    assert parser.is_idle
    return found


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.sampled_from([0, 1, 7])), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_requests_are_found_however_the_bytes_are_cut(requests, cuts):
    data = b"".join(request(body, chunk=chunk) for body, chunk in requests)
    assert bodies_of(data, cuts) == [body for body, _ in requests]


def test_the_headers_a_model_server_needs_are_read_in_any_case():
    head = parse_head(
        b"POST /invocations?x=1 HTTP/1.1\r\nhost: a\r\ncontent-TYPE:  text/csv; label_size=0 \r\n"
        b"Accept: text/csv\r\nACCEPT: application/json\r\nContent-Length:3\r\n"
        b"X-Content-Type: no\r\nExpect: 100-continue\r\n\r\n"
    )
    assert head.method == "POST"
    assert head.path == "/invocations"
    assert head.content_type == "text/csv; label_size=0"
    assert head.accept == "text/csv, application/json"
    assert head.content_length == 3
    assert head.expects_continue
    assert head.keep_alive


@pytest.mark.parametrize(
    ("line", "header", "expected"),
    [
        (b"GET /ping HTTP/1.1", b"Connection: close", False),
        (b"GET /ping HTTP/1.1", b"Connection: keep-alive", True),
        (b"GET /ping HTTP/1.0", b"X: y", False),
        (b"GET /ping HTTP/1.0", b"Connection: Keep-Alive", True),
    ],
)
def test_connections_are_kept_as_the_version_says(line, header, expected):
    assert parse_head(line + b"\r\n" + header + b"\r\n\r\n").keep_alive is expected


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /ping HTTP/2\r\n\r\n", 400),
        (b"GET  /ping HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"GET /" + b"x" * MAX_HEAD_BYTES, 431),
    ],
)
def test_bytes_that_are_no_request_are_refused(data, status):
    parser = RequestParser()
    parser.feed(data)
    with pytest.raises(ProtocolError) as raised:
        parser.next_request()
    assert raised.value.status == status


@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_or_refused_or_incomplete(data):
    parser = RequestParser()
    parser.feed(data + b"\r\n\r\n")
    try:
        parser.next_request()
    except ProtocolError as error:
        assert error.status in (400, 413, 431)  # noqa: PT017


def test_the_client_is_told_to_go_on_once():
    parser = RequestParser()
    head, body = request(b"abc", "Expect: 100-continue")[:-3], b"abc"
    parser.feed(head)
    assert parser.next_request() is None
    assert parser.take_continue()
    assert not parser.take_continue()
    parser.feed(body)
    taken = parser.next_request()
    assert taken is not None
    assert taken[1] == body


def test_response_heads_state_length_and_whether_the_connection_stays():
    assert response_head(200, "text/csv", 5, True) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 5\r\n\r\n"
    )
    assert b"\r\nConnection: close\r\n" in response_head(415, "text/csv", 0, False)
    assert b"Content-Length" not in response_head(204, "text/csv", 0, True)
