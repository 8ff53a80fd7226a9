"""RecordIO framing."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.formats.recordio import (
    MAGIC,
    FramingError,
    find_frames,
    frame,
    read_frames,
    read_records,
)


@given(st.lists(st.binary(max_size=70), max_size=60), st.integers(16, 200))
def test_records_come_back_whatever_the_chunk_size(payloads, chunk_bytes):
    data = b"".join(map(frame, payloads))
    found = []
    for buffer, frames in read_frames(io.BytesIO(data), chunk_bytes):
        found += [bytes(buffer[a:b]) for a, b in zip(frames.starts, frames.ends, strict=True)]
    assert found == payloads


def test_runs_of_equal_records_between_others_are_found():
    payloads = [b"a" * 5] + [b"b" * 9] * 300 + [b"c"] * 20 + [b""] * 40 + [b"d" * 9]
    data = b"".join(map(frame, payloads))
    frames = find_frames(data, len(data))
    assert [data[a:b] for a, b in zip(frames.starts, frames.ends, strict=True)] == payloads
    assert frames.consumed == len(data)


def test_the_last_record_may_lack_its_padding():
    data = frame(b"abcd") + frame(b"x")[:-3]
    assert list(read_records(io.BytesIO(data))) == [b"abcd", b"x"]


def test_a_record_split_at_a_magic_number_is_joined():
    """dmlc-core's writer cuts a payload where it holds the magic number at a word boundary."""

    def part(flag: int, payload: bytes) -> bytes:
        padding = b"\0" * (-len(payload) % 4)
        return struct.pack("<II", MAGIC, flag << 29 | len(payload)) + payload + padding

    data = part(1, b"head") + part(2, b"more") + part(3, b"tail!") + frame(b"next")
    magic = struct.pack("<I", MAGIC)
    assert list(read_records(io.BytesIO(data))) == [
        magic.join([b"head", b"more", b"tail!"]),
        b"next",
    ]


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_data_that_ends_inside_a_record_is_refused(cut):
    data = frame(b"first") + frame(b"second one")
    with pytest.raises(FramingError) as raised:
        list(read_records(io.BytesIO(data[: len(frame(b"first")) + cut])))
    assert raised.value.index == 1


def test_bytes_that_are_no_records_are_refused_at_their_place():
    with pytest.raises(FramingError) as raised:
        list(read_records(io.BytesIO(frame(b"ok") * 3 + b"0,1,2,3,4")))
    assert raised.value.index == 3
