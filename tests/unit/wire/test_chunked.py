"""aws-chunked bodies: any split of the bytes, trailers, and everything that can be wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.wire.chunked import ChunkedDecoder, ChunkedError


def _encode(pieces: list[bytes], trailer: bytes = b"") -> bytes:
    chunks = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces if p)
    return chunks + b"0\r\n" + trailer + b"\r\n"


def _decode(body: bytes, cuts: list[int]) -> ChunkedDecoder:
    decoder = ChunkedDecoder()
    content = b""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        content += b"".join(decoder.feed(body[start:end]))
    decoder.finish()
    decoder.content = content
    return decoder


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 500), max_size=8))
def test_content_and_trailers_survive_any_split(pieces, cuts):
    body = _encode(pieces, b"x-amz-checksum-crc32:AAAAAA==\r\nX-Other: y \r\n")
    decoder = _decode(body, cuts)
    assert decoder.content == b"".join(pieces)
    assert decoder.decoded_bytes == len(decoder.content)
    assert decoder.trailers == {"x-amz-checksum-crc32": "AAAAAA==", "x-other": "y"}
    assert decoder.is_complete


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=3))
def test_no_bytes_raise_anything_but_the_documented_error(body, cuts):
    try:
        _decode(body, cuts)
    except ChunkedError:
        return


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "ends before"),
        (b"3\r\nab", "ends before"),
        (b"3\r\nabc\r\n", "ends before"),
        (b"3\r\nabcd\r\n0\r\n\r\n", "longer than its size"),
        (b"x\r\n", "no valid size"),
        (b"-1\r\n", "no valid size"),
        (b"0\r\nno colon\r\n\r\n", "trailer is malformed"),
        (b"0\r\n\r\nmore\r\n", "bytes follow"),
    ],
)
def test_each_fault_is_named(body, message):
    with pytest.raises(ChunkedError, match=message):
        _decode(body, [])


def test_a_body_without_the_last_empty_line_is_complete():
    assert _decode(b"1\r\na\r\n0\r\n", []).content == b"a"


def test_an_endless_line_is_refused_before_it_fills_memory():
    decoder = ChunkedDecoder()
    with pytest.raises(ChunkedError, match="too long"):
        list(decoder.feed(b"1" * 20_000))
