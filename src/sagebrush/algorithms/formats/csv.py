"""CSV of numbers without a header to float32 arrays, parsed by Arrow."""

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.arrow_stream import arrow_stream
from sagebrush.algorithms.formats.lines import BLOCK_BYTES, count_lines, read_line_blocks
from sagebrush.algorithms.threads import available_threads

BYTES_PER_COLUMN = 1 << 13
SMALL_BODY_BYTES = 1 << 15
# Arrow spends as much on setting a column up as JSON's reader on reading this much text.
SETUP_BYTES_PER_COLUMN = 1 << 10

_PLAIN = b"0123456789.,-+eE \r\n"
# Of numbers spelt alike, JSON alone makes this one an integer, which has no sign of zero.
_NEGATIVE_ZERO = re.compile(rb"-0(?![.\deE])")

Delimiter = str | Callable[[str], str]


def read_csv_blocks(
    stream: BinaryIO,
    name: str,
    *,
    delimiter: Delimiter = ",",
    missing_allowed: bool = False,
    columns: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """The rows of a CSV stream as (rows, columns) arrays, some megabytes of text each.

    ``delimiter`` is a character or finds one in the first line. An empty cell is NaN where
    ``missing_allowed``, else an error. ``columns`` is the width all rows must have, by default the
    first row's. ClientError names ``name`` and the row (counted from 1) of a cell that is no
    number and of a row with more or fewer cells.
    """
    rows = 0
    character = delimiter if isinstance(delimiter, str) else ""
    for block in _sized_blocks(stream):
        if not character:
            character = delimiter(_first_line(block)) if callable(delimiter) else ","
        if columns is None and (line := _first_line(block)):
            columns = line.count(character) + 1 if '"' not in line else len(_cells(line, character))
        if columns is not None:
            parser = _BlockParser(name, character, missing_allowed, columns, rows)
            yield parser.parse(block)
        rows += count_lines(block)


def parse_csv(body: bytes, name: str, *, missing_allowed: bool = False) -> NDArray[np.float32]:
    """All rows of a CSV text; see ``read_csv_blocks``. An empty text has shape (0, 0)."""
    if len(body) < SMALL_BODY_BYTES and (rows := _parse_small(body)) is not None:
        return rows
    line = _first_line(body)
    if not line:
        return np.empty((0, 0), np.float32)
    columns = line.count(",") + 1 if '"' not in line else len(_cells(line, ","))
    if len(body) < columns * SETUP_BYTES_PER_COLUMN and (rows := _parse_plain(body)) is not None:
        return rows
    return _BlockParser(name, ",", missing_allowed, columns, 0).parse(body)


def _parse_small(body: bytes) -> NDArray[np.float32] | None:
    """The rows of a short and plain text, for which starting Arrow would cost most of the time.

    None when anything about the text is unusual or wrong.
    """
    if b"_" in body:
        return None
    try:
        if (plain := _parse_plain(body)) is not None:
            return plain
        rows = [[float(cell) for cell in line.split(b",")] for line in body.split(b"\n") if line]
        return np.array(rows, np.float32) if rows else None
    except ValueError:
        return None


def _parse_plain(body: bytes) -> NDArray[np.float32] | None:
    """The rows of a text that is JSON but for its brackets; its reader is the fastest for few rows.

    None for a text with other characters or spellings, blank lines or ragged rows.
    """
    if body.translate(None, _PLAIN) or _NEGATIVE_ZERO.search(body):
        return None
    lines = body.removesuffix(b"\n").replace(b"\n", b"],[")
    try:
        rows = np.array(orjson.loads(b"[[%b]]" % lines), np.float32)
    except ValueError:
        return None
    return rows if rows.size else None


def _sized_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks large enough that Arrow's cost for each column does not show in wide data."""
    first = stream.read(1 << 16)
    if not first:
        return
    while b"\n" not in first and (more := stream.read(1 << 20)):
        first += more
    columns = first.partition(b"\n")[0].count(b",") + 1
    size_bytes = max(BLOCK_BYTES, min(columns * BYTES_PER_COLUMN, 1 << 26))
    yield from read_line_blocks(_Prefixed(first, stream), size_bytes)  # type: ignore[arg-type]


class _Prefixed:
    """A stream with bytes that were read ahead put back before it."""

    def __init__(self, prefix: bytes, stream: BinaryIO) -> None:
        self._prefix = prefix
        self._stream = stream

    def read(self, size: int) -> bytes:
        prefix, self._prefix = self._prefix[:size], self._prefix[size:]
        return prefix + self._stream.read(size - len(prefix)) if prefix else self._stream.read(size)


def _first_line(block: bytes) -> str:
    """The first line that is not blank, without a byte order mark."""
    head = block.lstrip(b"\xef\xbb\xbf").lstrip(b"\r\n")
    end = head.find(b"\n")
    return (head if end < 0 else head[:end]).decode("utf-8", "replace").rstrip("\r")


def _cells(line: str, delimiter: str) -> list[str]:
    # A carriage return ends a line too, and inside a line the reader refuses it.
    return next(csv.reader(line.split("\r", 1)[:1], delimiter=delimiter), [])


class _BlockParser:
    """Parses one block whose first line is row ``rows_before + 1`` of the file."""

    def __init__(
        self, name: str, delimiter: str, missing_allowed: bool, columns: int, rows_before: int
    ) -> None:
        self.name = name
        self.delimiter = delimiter
        self.missing_allowed = missing_allowed
        self.columns = columns
        self.rows_before = rows_before

    def parse(self, block: bytes) -> NDArray[np.float32]:
        try:
            table = self._arrow_table(block)
        except pa.ArrowInvalid:
            # Python's reader takes some spellings Arrow does not, and knows the row of the rest.
            return self._parse_slowly(block)
        rows = np.empty((table.num_rows, self.columns), np.float32)
        for index, column in enumerate(table.columns):
            if column.null_count and not self.missing_allowed:
                return self._parse_slowly(block)
            rows[:, index] = column.to_numpy()
        return rows

    def _arrow_table(self, block: bytes) -> Any:
        # Arrow's pool is as large as the machine unless it is told what this job may use.
        pa.set_cpu_count(available_threads())
        names = [str(index) for index in range(self.columns)]
        return pa.csv.read_csv(
            arrow_stream(block),
            read_options=pa.csv.ReadOptions(column_names=names, block_size=len(block) + 1),
            parse_options=pa.csv.ParseOptions(delimiter=self.delimiter),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float32()), null_values=[""]
            ),
        )

    def _parse_slowly(self, block: bytes) -> NDArray[np.float32]:
        lines = block.decode("utf-8-sig", "replace").splitlines()
        rows = []
        for index, line in enumerate(lines, self.rows_before + 1):
            if line:
                rows.append(self._row(_cells(line, self.delimiter), index))
        return np.array(rows, np.float32).reshape(-1, self.columns)

    def _row(self, cells: list[str], index: int) -> list[float]:
        if len(cells) != self.columns:
            raise self._error(index, f"it has {len(cells)} columns, expected {self.columns}")
        return [self._number(cell.strip(), index, place) for place, cell in enumerate(cells, 1)]

    def _number(self, cell: str, index: int, place: int) -> float:
        if not cell:
            if self.missing_allowed:
                return float("nan")
            raise self._error(index, f"column {place} is empty")
        try:
            if "_" in cell:
                raise ValueError(cell)
            return float(cell)
        except ValueError:
            header = "; CSV data must not have a header row" if index == 1 else ""
            reason = f"column {place} holds {cell[:80]!r}, which is not a number{header}"
            raise self._error(index, reason) from None

    def _error(self, index: int, reason: str) -> ClientError:
        return ClientError(f"Unable to read row {index} of {self.name}: {reason}.")
