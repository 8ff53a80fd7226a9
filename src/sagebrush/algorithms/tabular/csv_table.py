"""CSV with categorical columns to a matrix of numbers and coded columns, parsed by Arrow."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.channels import DataStream
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.lines import read_line_blocks
from sagebrush.algorithms.tabular.table_blocks import (
    MISSING_CELLS,
    Numbers,
    ParsedBlock,
    TextBlock,
    arranged,
    parse_block,
)
from sagebrush.algorithms.threads import available_threads, map_in_order

BLOCK_BYTES = 1 << 21
LARGEST_BLOCK_BYTES = 1 << 25
BYTES_PER_COLUMN = 1 << 12
"""Blocks of wide rows are larger: Arrow's cost for each column took four times the time."""
SMALL_BODY_BYTES = 1 << 14
MISSING = -1
"""The code of an empty cell in a categorical column."""


class CodedColumn(NamedTuple):
    """A categorical column: each row's index into ``words``, MISSING where the cell is empty."""

    codes: NDArray[np.int32]
    words: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of a CSV text.

    ``numbers`` (rows, features) holds NaN for missing cells and in the categorical columns, which
    are in ``categories`` by feature index. ``labels`` (rows,) is None for rows without a label.
    """

    numbers: Numbers
    labels: Numbers | None = None
    categories: dict[int, CodedColumn] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.numbers)

    def take(self, chosen: NDArray[np.int64] | slice) -> "Table":
        """The rows at these places."""
        return Table(
            self.numbers[chosen],
            None if self.labels is None else self.labels[chosen],
            {
                index: CodedColumn(column.codes[chosen], column.words)
                for index, column in self.categories.items()
            },
        )


class TableReader:
    """Reads CSV texts of one width into one table.

    ``categorical`` are indices of features, counted without the label. ``labelled`` says that the
    first column is the label, ``whole_labels`` that it holds whole numbers. ClientError names file
    and row of a cell that is no number, or infinite in a labelled row, of a label that is missing
    or not as it must be, and of a row with more or fewer cells than the first.

    ``negative_label`` is the error for the first label below 0, None if there is none: whether it
    is one depends on the other labels.
    """

    def __init__(
        self,
        categorical: Iterable[int] = (),
        *,
        labelled: bool = True,
        whole_labels: bool = False,
        columns: int | None = None,
    ) -> None:
        self._offset = 1 if labelled else 0
        self._categorical = sorted(index + self._offset for index in categorical)
        self._whole_labels = whole_labels
        self._columns = columns
        self._blocks: list[Numbers] = []
        self._labels: list[Numbers] = []
        self._codes: dict[int, list[NDArray[np.int32]]] = {each: [] for each in self._categorical}
        self._words: dict[int, dict[str, int]] = {each: {} for each in self._categorical}
        self.negative_label: ClientError | None = None

    def read(self, streams: Iterable[DataStream]) -> Table:
        """The rows of all streams, one after the other; shape (0, 0) if there are none."""
        self._read_blocks(self._blocks_of(streams), available_threads())
        return self._table()

    def read_body(self, body: bytes, name: str) -> Table:
        """The rows of a text."""
        if len(body) < SMALL_BODY_BYTES and not self._categorical and not self._offset:
            rows = _small_rows(body)
            if rows is not None and self._columns in (None, rows.shape[1]):
                return Table(rows)
        self._read_blocks(self._stream_blocks(io.BytesIO(body), name), threads=1)
        return self._table()

    def _blocks_of(self, streams: Iterable[DataStream]) -> Iterator[TextBlock]:
        for stream in streams:
            with stream.open() as data:
                yield from self._stream_blocks(data, stream.name)

    def _stream_blocks(self, data: BinaryIO, name: str) -> Iterator[TextBlock]:
        is_first = True
        for block in self._sized_blocks(data):
            if is_first:
                block = block.removeprefix(b"\xef\xbb\xbf")
            if self._columns is None:
                self._columns = self._width(block)
            yield TextBlock(name, block, is_first)
            is_first = False

    def _sized_blocks(self, data: BinaryIO) -> Iterator[bytes]:
        held: list[bytes] = []
        for block in read_line_blocks(data, BLOCK_BYTES):
            held.append(block)
            enough = min((self._columns or 0) * BYTES_PER_COLUMN, LARGEST_BLOCK_BYTES)
            if sum(map(len, held)) >= enough:
                yield b"".join(held)
                held.clear()
        if held:
            yield b"".join(held)

    def _read_blocks(self, blocks: Iterator[TextBlock], threads: int) -> None:
        """Parse blocks at the same time and take them over in their order."""
        rows = 0
        for block, lines, parsed in map_in_order(self._parse, blocks, threads):
            if block.is_first:
                rows = 0
            if self._columns is not None:
                self._append(parsed or self._slowly_parsed(block, rows), block, rows)
            rows += lines

    def _parse(self, block: TextBlock) -> tuple[TextBlock, int, ParsedBlock | None]:
        """The block, its number of lines, and its rows unless Arrow cannot read them."""
        if self._columns is None:
            return block, block.count_lines(), None
        parsed = parse_block(block.text, self._columns, self._offset, self._categorical)
        return block, block.count_lines(), parsed

    def _width(self, block: bytes) -> int | None:
        first = _first_line(block)
        if first is None:
            return None
        width = len(_cells(first))
        if self._categorical and self._categorical[-1] >= width:
            raise ClientError(
                f"The categorical column {self._categorical[-1]} does not exist: the rows have "
                f"{width} columns, counted from 0, the label's number."
            )
        if width <= self._offset:
            raise ClientError("The rows have a label and no features.")
        return width

    def _append(self, parsed: ParsedBlock, block: TextBlock, rows_before: int) -> None:
        if not len(parsed.numbers):
            return
        for place, column in parsed.categories.items():
            self._codes[place].append(self._coded(place, column))
        if parsed.labels is not None:
            self._check_labels(parsed.labels, block, rows_before)
            self._labels.append(parsed.labels)
            if parsed.has_infinite:
                raise _infinite_cell(parsed.numbers, block, rows_before)
        self._blocks.append(parsed.numbers)

    def _slowly_parsed(self, block: TextBlock, rows_before: int) -> ParsedBlock:
        """The same by Python's reader, which knows the row of what is wrong."""
        assert self._columns is not None
        columns = self._python_columns(block.text, block.name, rows_before)
        return arranged(columns, self._columns, self._offset, self._categorical)

    def _python_columns(self, block: bytes, name: str, rows_before: int) -> list[list[Any]]:
        """The same by Python's reader, which knows the row of what is wrong."""
        rows = []
        for number, line in enumerate(_lines(block), rows_before + 1):
            if line:
                rows.append(self._parsed(_cells(line), number, name))
        return [list(column) for column in zip(*rows, strict=True)]

    def _parsed(self, cells: list[str], number: int, name: str) -> list[Any]:
        if len(cells) != self._columns:
            raise _flaw(name, number, f"it has {len(cells)} columns, expected {self._columns}")
        return [
            cell.strip() if place in self._words else _number(cell.strip(), place, number, name)
            for place, cell in enumerate(cells)
        ]

    def _coded(self, place: int, column: Any) -> NDArray[np.int32]:
        """Codes in the words of the whole column for a block's."""
        words = self._words[place]
        if isinstance(column, list):
            return np.array([_code(words, cell) for cell in column], np.int32)
        lookup = np.array(
            [_code(words, word) for word in column.dictionary.to_pylist()] + [MISSING], np.int32
        )
        codes: NDArray[np.int32] = lookup[column.indices.fill_null(len(lookup) - 1).to_numpy()]
        return codes

    def _check_labels(self, labels: Numbers, block: TextBlock, rows_before: int) -> None:
        wrong = ~np.isfinite(labels)
        if self._whole_labels:
            wrong |= labels != np.rint(labels)
        if wrong.any():
            first = int(wrong.argmax())
            value, row = labels[first], _row_number(block.text, first, rows_before)
            if np.isnan(value):
                raise _flaw(block.name, row, "its label is missing")
            wanted = "a whole number" if np.isfinite(value) else "a finite number"
            raise _flaw(block.name, row, f"its label {value} is not {wanted}")
        negative = labels < 0
        if self._whole_labels and self.negative_label is None and negative.any():
            first = int(negative.argmax())
            reason = (
                f"its label {labels[first]:g} is no class; labels are whole numbers from 0 on, "
                "or -1 and 1"
            )
            row = _row_number(block.text, first, rows_before)
            self.negative_label = _flaw(block.name, row, reason)

    def _table(self) -> Table:
        numbers = _joined(self._blocks, self._columns, self._offset)
        labels = np.concatenate(self._labels) if self._labels else None
        categories = {
            place - self._offset: CodedColumn(
                np.concatenate(codes) if codes else np.empty(0, np.int32), list(self._words[place])
            )
            for place, codes in self._codes.items()
        }
        return Table(numbers, labels, categories)


def _infinite_cell(numbers: Numbers, block: TextBlock, rows_before: int) -> ClientError:
    """The error for the first infinite one among the features of labelled rows."""
    infinite = np.isinf(numbers)
    first, feature = np.unravel_index(int(infinite.argmax()), infinite.shape)
    row = _row_number(block.text, int(first), rows_before)
    # Columns are counted from 1, and the label is the first.
    return _flaw(block.name, row, f"column {int(feature) + 2} holds {numbers[first, feature]}")


def _joined(blocks: list[Numbers], columns: int | None, offset: int) -> Numbers:
    """The blocks in one, each let go of once it is copied."""
    if len(blocks) == 1:
        return blocks.pop()
    width = 0 if columns is None else columns - offset
    whole = np.empty((sum(len(block) for block in blocks), width), np.float64)
    end = len(whole)
    while blocks:
        block = blocks.pop()
        whole[end - len(block) : end] = block
        end -= len(block)
    return whole


def _small_rows(body: bytes) -> Numbers | None:
    """The rows of a short and plain text, None when anything about it is unusual or wrong."""
    if b"_" in body:
        return None
    try:
        rows = [
            [float(cell) if cell else np.nan for cell in line.split(b",")]
            for line in body.split(b"\n")
            if line
        ]
        return np.array(rows, np.float64) if rows else None
    except ValueError:
        return None


def _first_line(block: bytes) -> str | None:
    """The first line that is not empty."""
    start = len(block) - len(block.lstrip(b"\r\n"))
    end = block.find(b"\n", start)
    lines = _lines(block[start:] if end < 0 else block[start:end])
    return next((line for line in lines if line), None)


def _lines(block: bytes) -> Iterator[str]:
    return iter(block.decode("utf-8", "replace").splitlines())


def _row_number(block: bytes, place: int, rows_before: int) -> int:
    """The number in its file of a block's row, for which empty lines count."""
    numbers = (number for number, line in enumerate(_lines(block), rows_before + 1) if line)
    return next(itertools.islice(numbers, place, None))


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]), [])


def _code(words: dict[str, int], cell: str) -> int:
    word = category_word(cell)
    return MISSING if word in MISSING_CELLS else words.setdefault(word, len(words))


def category_word(cell: str) -> str:
    """One spelling of a category: whole numbers without fraction, other texts as they are."""
    text = cell.strip()
    head, point, fraction = text.partition(".")
    if point and not fraction.strip("0") and head.lstrip("-").isdigit():
        return head
    return text


def _number(cell: str, place: int, number: int, name: str) -> float:
    if cell in MISSING_CELLS:
        return float("nan")
    try:
        if "_" in cell:
            raise ValueError(cell)
        return float(cell)
    except ValueError:
        header = "; CSV data must not have a header row" if number == 1 else ""
        reason = f"column {place + 1} holds {cell[:80]!r}, which is not a number{header}"
        raise _flaw(name, number, reason) from None


def _flaw(name: str, number: int, reason: str) -> ClientError:
    return ClientError(f"Unable to read row {number} of {name}: {reason}.")
