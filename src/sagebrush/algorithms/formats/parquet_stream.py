"""Parquet files that come one after the other through a pipe.

A Parquet file is read from its end, so what comes through the pipe is first written to disk.
"""

import mmap
import shutil
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.parquet import read_parquet_blocks

_MAGIC = b"PAR1"
_TRAILER_BYTES = 8
_COPY_BYTES = 1 << 20


def read_parquet_stream_blocks(stream: BinaryIO, name: str) -> Iterator[NDArray[np.float32]]:
    """The rows of all the files in the stream, as `read_parquet_blocks` gives those of one.

    Takes as much room in the temporary folder as the stream is long. ClientError names ``name``
    and, counting from 1, the file that cannot be read.
    """
    with tempfile.NamedTemporaryFile() as spool:
        shutil.copyfileobj(stream, spool, _COPY_BYTES)
        if spool.tell() == 0:
            return
        spool.flush()
        # Arrow's own mapping: see `arrow_stream` for what its threads do with Python's memory.
        whole = pa.memory_map(spool.name).read_buffer()
        with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            files = parquet_files(mapped, name)
    for number, (start, stop) in enumerate(files, 1):
        part = pa.BufferReader(whole.slice(start, stop - start))
        yield from read_parquet_blocks(part, f"file {number} of {name}")


def parquet_files(data: mmap.mmap | bytes, name: str) -> list[tuple[int, int]]:
    """Where each of the concatenated files begins and ends, in order; ClientError if that fails.

    A file begins and ends with the same four bytes, and its footer tells how far its columns reach:
    the nearest beginning before the footer that leaves room for them is its own.
    """
    found: list[tuple[int, int]] = []
    stop = len(data)
    while stop > 0:
        start = _start_of_last(data, stop)
        if start is None:
            raise ClientError(
                f"Unable to read {name} as parquet: no whole file ends at byte {stop}."
            )
        found.append((start, stop))
        stop = start
    return found[::-1]


def _start_of_last(data: mmap.mmap | bytes, stop: int) -> int | None:
    if data[max(stop - len(_MAGIC), 0) : stop] != _MAGIC or stop < _TRAILER_BYTES:
        return None
    footer_bytes = int.from_bytes(data[stop - _TRAILER_BYTES : stop - len(_MAGIC)], "little")
    footer = stop - _TRAILER_BYTES - footer_bytes
    if footer < len(_MAGIC):
        return None
    try:
        tail = pa.BufferReader(_MAGIC + bytes(data[footer:stop]))
        latest = footer - _column_bytes(pa.parquet.read_metadata(tail))
    except (pa.ArrowInvalid, OSError):
        return None
    boundary = data.rfind(_MAGIC + _MAGIC, 0, max(latest, 0) + len(_MAGIC))
    if boundary >= 0:
        return boundary + len(_MAGIC)
    return 0 if data[: len(_MAGIC)] == _MAGIC and latest >= 0 else None


def _column_bytes(metadata: pa.parquet.FileMetaData) -> int:
    """How far from a file's beginning its last column reaches."""
    reach = len(_MAGIC)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            first = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset is not None:
                first = min(first, column.dictionary_page_offset)
            reach = max(reach, first + column.total_compressed_size)
    return reach
