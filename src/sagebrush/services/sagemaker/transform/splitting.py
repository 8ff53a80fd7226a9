"""An input file cut into the batches that are sent: whole, by lines, RecordIO or TFRecord.

Everything here reads a stream once and holds at most about one payload, however long the file is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sagebrush.services.sagemaker.transform.errors import bad_data, too_large

_RECORDIO_MAGIC = 0xCED7230A
_RECORDIO_LENGTH_BITS = 29
_RECORDIO_HEAD = struct.Struct("<II")
_RECORDIO_WHOLE, _RECORDIO_FIRST, _RECORDIO_MIDDLE, _RECORDIO_LAST = range(4)
_TFRECORD_HEAD = struct.Struct("<QI")
_CHECKSUM_BYTES = 4
_CRC32C_POLYNOMIAL = 0x82F63B78
_CRC_MASK = 0xA282EAD8


@dataclass(frozen=True, slots=True)
class Splitting:
    """How files are cut: SplitType, whether a request has one record, the longest payload."""

    split_type: str
    single: bool
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the file, its frame included, and without its frame."""

    framed: bytes
    payload: bytes


def batches(stream: BinaryIO, splitting: Splitting) -> Iterator[bytes]:
    """Yield the payloads of a file's requests in order.

    Raises:
        FileFailure: a record is longer than the limit, or the framing is broken.
    """
    if splitting.split_type == "None":
        yield _whole(stream, splitting.limit_bytes)
    elif splitting.split_type == "Line" and splitting.single:
        yield from lines(stream, splitting.limit_bytes)
    elif splitting.split_type == "Line":
        yield from _blocks_of_lines(stream, splitting.limit_bytes)
    else:
        read = _recordio if splitting.split_type == "RecordIO" else _tfrecords
        records = read(stream, splitting.limit_bytes)
        yield from _singles(records) if splitting.single else _joined(records, splitting)


def _whole(stream: BinaryIO, limit_bytes: int) -> bytes:
    data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise too_large()
    return data


def lines(stream: BinaryIO, limit_bytes: int) -> Iterator[bytes]:
    """Yield each line without its end; blank ones are no records."""
    while line := stream.readline(limit_bytes + 2):
        record = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(record) > limit_bytes:
            raise too_large()
        if record.strip():
            yield record


def _blocks_of_lines(stream: BinaryIO, limit_bytes: int) -> Iterator[bytes]:
    """Yield as many whole lines at once as fit, without looking at each."""
    rest = b""
    while True:
        block = rest + stream.read(limit_bytes - len(rest))
        if len(block) < limit_bytes:
            if block.strip():
                yield block
            return
        cut = block.rfind(b"\n") + 1
        if not cut:
            # A last line that just fits has its end behind the limit.
            if stream.read(1) not in (b"", b"\n"):
                raise too_large()
            cut = limit_bytes
        if block[:cut].strip():
            yield block[:cut]
        rest = block[cut:]


def groups_of_lines(stream: BinaryIO, splitting: Splitting) -> Iterator[list[bytes]]:
    """Yield the lines of each request as records of their own, for what looks into them."""
    if splitting.single:
        yield from ([line] for line in lines(stream, splitting.limit_bytes))
        return
    group: list[bytes] = []
    size = 0
    for line in lines(stream, splitting.limit_bytes):
        if group and size + len(line) + 1 > splitting.limit_bytes:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line) + 1
    if group:
        yield group


def _singles(records: Iterator[Record]) -> Iterator[bytes]:
    """Yield one record per request; what frames it is padding and does not go along."""
    return (record.payload for record in records)


def _joined(records: Iterator[Record], splitting: Splitting) -> Iterator[bytes]:
    group: list[bytes] = []
    size = 0
    for record in records:
        if group and size + len(record.framed) > splitting.limit_bytes:
            yield b"".join(group)
            group, size = [], 0
        group.append(record.framed)
        size += len(record.framed)
    if group:
        yield b"".join(group)


def _recordio(stream: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    """Yield RecordIO records; one cut in parts, where it holds the magic number, is joined."""
    parts: list[Record] = []
    while head := stream.read(_RECORDIO_HEAD.size):
        if len(head) < _RECORDIO_HEAD.size:
            raise bad_data("the RecordIO file ends inside of a record")
        magic, word = _RECORDIO_HEAD.unpack(head)
        if magic != _RECORDIO_MAGIC:
            raise bad_data("the file is no RecordIO: a record's magic number is missing")
        length = word & ((1 << _RECORDIO_LENGTH_BITS) - 1)
        if sum(len(part.framed) for part in parts) + length > limit_bytes:
            raise too_large()
        payload = _exactly(stream.read, length, "RecordIO")
        padding = stream.read(-length % 4)
        parts.append(Record(head + payload + padding, payload))
        if word >> _RECORDIO_LENGTH_BITS in (_RECORDIO_WHOLE, _RECORDIO_LAST):
            joint = _RECORDIO_HEAD.pack(_RECORDIO_MAGIC, 0)[:4]
            framed = b"".join(part.framed for part in parts)
            yield Record(framed, joint.join(part.payload for part in parts))
            parts = []
    if parts:
        raise bad_data("the RecordIO file ends inside of a record")


def _tfrecords(stream: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    while head := stream.read(_TFRECORD_HEAD.size):
        if len(head) < _TFRECORD_HEAD.size:
            raise bad_data("the TFRecord file ends inside of a record")
        length, checksum = _TFRECORD_HEAD.unpack(head)
        if _masked_crc32c(head[:8]) != checksum:
            raise bad_data("the file is no TFRecord: a length's checksum is wrong")
        if length > limit_bytes:
            raise too_large()
        payload = _exactly(stream.read, length, "TFRecord")
        tail = _exactly(stream.read, _CHECKSUM_BYTES, "TFRecord")
        yield Record(head + payload + tail, payload)


def _exactly(read: Callable[[int], bytes], length: int, kind: str) -> bytes:
    data = read(length)
    if len(data) < length:
        raise bad_data(f"the {kind} file ends inside of a record")
    return data


def _masked_crc32c(data: bytes) -> int:
    """Return the checksum that TFRecord keeps of a length."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC32C_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK) & 0xFFFFFFFF


def _crc32c_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_CRC32C_POLYNOMIAL if byte & 1 else 0)
    return byte


_CRC32C_TABLE = tuple(_crc32c_entry(byte) for byte in range(256))
