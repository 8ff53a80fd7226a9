"""Files cut into requests: nothing lost, nothing out of order, nothing above the limit."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.formats.recordio import frame
from sagebrush.services.sagemaker.transform.errors import FileFailure
from sagebrush.services.sagemaker.transform.splitting import (
    Splitting,
    batches,
    groups_of_lines,
)

MAGIC = struct.pack("<I", 0xCED7230A)
LINES = st.lists(
    st.binary(max_size=12).map(lambda b: b.translate(None, b"\r\n \t\x0b\x0c") or b"x")
)


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tfrecord(payload: bytes) -> bytes:
    """A record as TensorFlow's guide "TFRecord and tf.train.Example" lays it out."""

    def masked(data: bytes) -> bytes:
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def cut(data: bytes, kind: str, *, single: bool = False, limit: int = 64) -> list[bytes]:
    return list(batches(io.BytesIO(data), Splitting(kind, single, limit)))


def refused(data: bytes, kind: str, **options: int) -> str:
    with pytest.raises(FileFailure) as caught:
        cut(data, kind, **options)  # type: ignore[arg-type]
    assert caught.value.kind == "ClientError"
    return str(caught.value)


@given(LINES, st.booleans(), st.integers(14, 40))
def test_blocks_of_lines_are_the_file_in_pieces(
    lines: list[bytes], ended: bool, limit: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    found = cut(data, "Line", limit=limit)
    # The end of a line that just fills a payload stays behind.
    assert b"\n".join(block.removesuffix(b"\n") for block in found) == data.removesuffix(b"\n")
    assert all(0 < len(block) <= limit for block in found)
    assert [line for block in found for line in block.split(b"\n") if line] == lines


@given(LINES, st.integers(14, 40))
def test_blocks_hold_as_many_lines_as_fit(lines: list[bytes], limit: int) -> None:
    found = cut(b"".join(line + b"\n" for line in lines), "Line", limit=limit)
    for block, following in itertools.pairwise(found):
        first = following.partition(b"\n")[0]
        assert len(block) + len(first) + 1 > limit or not block.endswith(b"\n")


@given(LINES)
def test_a_request_of_a_line_has_no_line_end(lines: list[bytes]) -> None:
    data = b"\r\n".join(lines) + b"\r\n\r\n  \n"
    assert cut(data, "Line", single=True) == lines


@given(LINES, st.integers(14, 40), st.booleans())
def test_groups_have_the_lines_of_blocks(lines: list[bytes], limit: int, single: bool) -> None:
    stream = io.BytesIO(b"\n".join(lines))
    found = list(groups_of_lines(stream, Splitting("Line", single, limit)))
    assert [line for group in found for line in group] == lines
    assert all(len(b"\n".join(group)) <= limit for group in found)
    assert not single or all(len(group) == 1 for group in found)


@pytest.mark.parametrize("single", [False, True])
def test_a_line_of_the_limit_fits_and_a_longer_one_does_not(single: bool) -> None:
    for data in (b"1234", b"1234\n", b"1234\n5678\n"):
        assert b"".join(cut(data, "Line", single=single, limit=4)) in (b"1234", b"12345678")
    assert "Too much data for max payload size" in refused(b"1\n12345", "Line", limit=4)
    assert "Too much data" in refused(b"12345\n", "Line", single=single, limit=4)


def test_a_whole_file_is_one_request() -> None:
    assert cut(b"a\nb", "None") == [b"a\nb"]
    assert cut(b"", "None") == [b""]
    assert cut(b"1234", "None", limit=4) == [b"1234"]
    assert "Too much data" in refused(b"12345", "None", limit=4)


def test_a_file_without_records_needs_no_request() -> None:
    for kind in ("Line", "RecordIO", "TFRecord"):
        for single in (False, True):
            assert cut(b"", kind, single=single) == []
    assert cut(b"\n \r\n", "Line") == []


@given(st.lists(st.binary(max_size=20)), st.integers(28, 60))
def test_recordio_keeps_its_frames_unless_sent_one_by_one(
    records: Sequence[bytes], limit: int
) -> None:
    data = b"".join(map(frame, records))
    assert cut(data, "RecordIO", single=True, limit=limit) == list(records)
    found = cut(data, "RecordIO", limit=limit)
    assert b"".join(found) == data
    assert all(len(block) <= limit for block in found)


def test_a_recordio_record_in_parts_is_one_record() -> None:
    def part(flag: int, payload: bytes) -> bytes:
        return MAGIC + struct.pack("<I", flag << 29 | len(payload)) + payload

    data = part(1, b"aaaa") + part(2, b"bbbb") + part(3, b"cccc") + frame(b"next")
    whole = b"aaaa" + MAGIC + b"bbbb" + MAGIC + b"cccc"
    assert cut(data, "RecordIO", single=True) == [whole, b"next"]
    assert b"".join(cut(data, "RecordIO", limit=40)) == data
    assert "ends inside" in refused(part(1, b"aaaa"), "RecordIO")
    assert "Too much data" in refused(data, "RecordIO", limit=10)


def test_the_checksum_of_these_tests_is_that_of_rfc_3720() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes([255]) * 32) == 0x62A8AB43


@given(st.lists(st.binary(max_size=20)), st.integers(36, 60))
def test_tfrecords_keep_their_frames_unless_sent_one_by_one(
    records: Sequence[bytes], limit: int
) -> None:
    data = b"".join(map(tfrecord, records))
    assert cut(data, "TFRecord", single=True, limit=limit) == list(records)
    found = cut(data, "TFRecord", limit=limit)
    assert b"".join(found) == data
    assert all(len(block) <= limit for block in found)


@pytest.mark.parametrize("kind", ["RecordIO", "TFRecord"])
def test_broken_frames_are_the_datas_fault(kind: str) -> None:
    record = frame(b"abcd") if kind == "RecordIO" else tfrecord(b"abc")
    for size in range(1, len(record)):
        assert "ends inside" in refused(record[:size], kind)
    assert f"no {kind}" in refused(b"1,2\n3,4\n5,6\n", kind)
    assert "Too much data" in refused(record, kind, limit=2)
