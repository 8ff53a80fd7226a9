"""Streams of Arrow's that hold nothing of Python's."""

import sys

from sagebrush.algorithms.formats.arrow_stream import arrow_stream


def test_the_stream_gives_the_text_and_keeps_no_reference_to_it():
    text = b"1,2\n" * 1000
    references = sys.getrefcount(text)
    stream = arrow_stream(text)
    whole = stream.read_buffer()
    assert sys.getrefcount(text) == references
    assert whole.to_pybytes() == text


def test_an_empty_text_is_an_empty_stream():
    assert arrow_stream(b"").read() == b""
