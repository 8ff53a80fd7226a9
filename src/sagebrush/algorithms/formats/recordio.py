"""RecordIO framing: magic, length, payload, zero padding to four bytes.

The layout is that of dmlc-core's recordio: the upper three bits of the length word say whether a
payload was cut where it contained the magic number itself (0 whole, 1 first, 2 middle, 3 last).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xCED7230A
MAX_PAYLOAD_BYTES = (1 << 29) - 1
CHUNK_BYTES = 1 << 22

_HEADER = struct.Struct("<II")
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_SHORT_RUN = 16


class FramingError(ValueError):
    """The byte stream is not a sequence of whole records; ``index`` is the broken one."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class Frames(NamedTuple):
    """Whole records inside a buffer.

    ``starts`` and ``ends`` bound the payloads, int64 of shape (records,); ``consumed`` is where the
    first incomplete record begins; ``split`` tells that some payloads are parts of one record.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    consumed: int
    split: bool


def frame(payload: bytes) -> bytes:
    """The payload as one framed record; ValueError from 2**29 bytes on."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError("a record holds less than 2**29 bytes")
    return _HEADER.pack(MAGIC, len(payload)) + payload + _PADDING[len(payload) & 3]


def is_framed(data: bytes) -> bool:
    """Whether the data begin as a framed record does."""
    return data.startswith(_MAGIC_BYTES)


def find_frames(
    buffer: bytes | bytearray | memoryview, size: int, first_index: int = 0, *, final: bool = True
) -> Frames:
    """The whole records in ``buffer[:size]``; FramingError where a magic number is missing.

    The last record of ``final`` data may lack its padding.
    """
    pieces: list[NDArray[np.int64]] = []
    singles: list[tuple[int, int]] = []
    position, count, split, previous = 0, 0, False, -1
    unpack = _HEADER.unpack_from
    while position + 8 <= size:
        magic, word = unpack(buffer, position)
        if magic != MAGIC:
            raise FramingError(first_index + count, "the record's magic number is missing")
        length = word & MAX_PAYLOAD_BYTES
        split |= word != length
        stride = 8 + ((length + 3) & ~3)
        if position + (8 + length if final else stride) > size:
            break
        # Two records of one length suggest a run; data of varying lengths pays nothing for it.
        run = _equal_run(buffer, position, stride, size) if word == previous else 1
        previous = word
        start = position + 8
        if run > 1:
            _flush(singles, pieces)
            begin = np.arange(start, start + run * stride, stride, dtype=np.int64)
            pieces.append(np.stack([begin, begin + length], axis=1))
        else:
            singles.append((start, start + length))
        position += run * stride
        count += run
    _flush(singles, pieces)
    bounds = np.concatenate(pieces) if pieces else np.empty((0, 2), np.int64)
    return Frames(bounds[:, 0], bounds[:, 1], min(position, size), split)


def _flush(singles: list[tuple[int, int]], pieces: list[NDArray[np.int64]]) -> None:
    if singles:
        pieces.append(np.array(singles, np.int64))
        singles.clear()


def _equal_run(
    buffer: bytes | bytearray | memoryview, position: int, stride: int, size: int
) -> int:
    """How many records from ``position`` on have one and the same length, so the same stride."""
    possible = (size - position) // stride
    if possible < _SHORT_RUN:
        return 1
    limit = 2
    while True:
        limit = min(possible, limit * 8)
        headers: NDArray[np.uint64] = np.ndarray(
            (limit,), np.dtype("<u8"), buffer, position, (stride,)
        )
        same = headers == headers[0]
        run = limit if same.all() else int(same.argmin())
        if run < limit or limit == possible:
            return run


def read_frames(
    stream: BinaryIO, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[memoryview, Frames]]:
    """The records of a stream, a chunk at a time: a buffer and where its records lie.

    The buffer is reused for the next chunk, so copy out what must last. FramingError for a missing
    magic number or a stream that ends inside a record.
    """
    buffer = bytearray(chunk_bytes)
    filled, index = 0, 0
    while True:
        received = stream.readinto(memoryview(buffer)[filled:])  # type: ignore[attr-defined]
        if not received:
            break
        filled += received
        if filled < len(buffer) and filled < chunk_bytes // 2:
            continue
        frames = find_frames(buffer, filled, index, final=False)
        if len(frames.starts):
            yield memoryview(buffer)[:filled], frames
            index += len(frames.starts)
        filled = _keep_rest(buffer, frames.consumed, filled)
        if filled == len(buffer):
            # The caller may still hold the old buffer, which can then not be resized.
            buffer = buffer + bytes(len(buffer))
    yield from _last_frames(buffer, filled, index)


def _keep_rest(buffer: bytearray, consumed: int, filled: int) -> int:
    rest = filled - consumed
    buffer[:rest] = buffer[consumed:filled]
    return rest


def _last_frames(buffer: bytearray, filled: int, index: int) -> Iterator[tuple[memoryview, Frames]]:
    frames = find_frames(buffer, filled, index)
    if len(frames.starts):
        yield memoryview(buffer)[:filled], frames
    if frames.consumed < filled:
        raise FramingError(index + len(frames.starts), "the data ends inside the record")


def read_records(stream: BinaryIO) -> Iterator[bytes]:
    """The payloads of a stream one by one, parts of split records joined again."""
    parts: list[bytes] = []
    for buffer, frames in read_frames(stream):
        for start, end in zip(frames.starts.tolist(), frames.ends.tolist(), strict=True):
            flag = _HEADER.unpack_from(buffer, start - 8)[1] >> 29
            payload = bytes(buffer[start:end])
            if flag == 0:
                yield payload
                continue
            parts = [payload] if flag == 1 else [*parts, payload]
            if flag == 3:
                yield _MAGIC_BYTES.join(parts)
                parts = []
