"""The libsvm text format to CSR matrices, a block of lines at a time in numpy steps.

A line is ``label[:weight] [qid:id] index:value ...``; ``#`` begins a comment. Indices are kept as
they are written.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.lines import count_lines, read_line_blocks

_NEWLINE, _COLON = 10, 58
_ONE_NUMBER_PER_LINE = bytes.maketrans(b" \t\r:", b"\n\n\n\n")
_COMMENT = re.compile(rb"#[^\n]*")
_QUERY_KEY = -1.0
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_LINE = re.compile(rf"{_NUMBER}(?::{_NUMBER})?(?:\s+(?:qid|\d+):{_NUMBER})*", re.IGNORECASE)
_MAX_INDEX = 2**31 - 2


class _Tokens(NamedTuple):
    """The numbers of a block: their values, whether a colon follows, and the line of each."""

    numbers: NDArray[np.float64]
    is_key: NDArray[np.bool_]
    line: NDArray[np.int64]


def read_libsvm_blocks(stream: BinaryIO, name: str) -> Iterator[Batch]:
    """The rows of a libsvm stream, some megabytes of text each, as CSR features with labels.

    Weights and groups are None unless a row of the block states them. A block is as wide as its
    largest index needs. ClientError names ``name`` and the row (counted from 1) of a malformed one.
    """
    rows = 0
    for block in read_line_blocks(stream):
        batch = parse_libsvm(block, name, rows)
        if batch.rows:
            yield batch
        rows += count_lines(block)


def parse_libsvm(block: bytes, name: str, rows_before: int = 0) -> Batch:
    """All rows of a libsvm text; see ``read_libsvm_blocks``."""
    try:
        # A number too large for float32 becomes infinite, as it would in C.
        with np.errstate(over="ignore"):
            return _batch(_tokens(block))
    except (ValueError, pa.ArrowInvalid) as error:
        raise _located(block, name, rows_before, error) from error


def _tokens(block: bytes) -> _Tokens:
    if b"#" in block:
        block = _COMMENT.sub(b"", block)
    # A query id becomes a key no feature can have.
    block = block.replace(b"qid:", b"-1:") + b"\n"
    separated = block.translate(_ONE_NUMBER_PER_LINE)
    raw = np.frombuffer(block, np.uint8)
    separator = np.frombuffer(separated, np.uint8) == _NEWLINE
    ends = np.flatnonzero(~separator[:-1] & separator[1:]) + 1
    line = np.cumsum(raw == _NEWLINE)[ends - 1] if len(ends) else np.empty(0, np.int64)
    numbers = _numbers(separated) if len(ends) else np.empty(0)
    if len(numbers) != len(ends):
        raise ValueError("a number is malformed")
    return _Tokens(numbers, raw[ends] == _COLON, line)


def _numbers(separated: bytes) -> NDArray[np.float64]:
    table = pa.csv.read_csv(
        pa.BufferReader(separated),
        read_options=pa.csv.ReadOptions(column_names=["n"], block_size=len(separated) + 1),
        parse_options=pa.csv.ParseOptions(delimiter="\x01", quote_char=False),
        convert_options=pa.csv.ConvertOptions(column_types={"n": pa.float64()}, null_values=[]),
    )
    numbers: NDArray[np.float64] = table.column(0).to_numpy()
    return numbers


def _batch(tokens: _Tokens) -> Batch:
    numbers, is_key, line = tokens
    count = len(numbers)
    head = np.ones(count, bool)
    head[1:] = line[1:] != line[:-1]
    weight = np.zeros(count, bool)
    weight[1:] = (head & is_key)[:-1]
    rest = ~head & ~weight
    _require_pairs(head, weight, rest & is_key, rest & ~is_key, count)
    keys, values = numbers[rest & is_key], numbers[rest & ~is_key]
    row = (np.cumsum(head) - 1)[rest & is_key]
    rows = int(head.sum())
    query = keys == _QUERY_KEY
    groups = _groups(row, values, query, rows)
    if query.any():
        keys, values, row = keys[~query], values[~query], row[~query]
    return Batch(
        _matrix(row, keys, values, rows),
        numbers[head].astype(np.float32),
        _weights(numbers, head, weight),
        groups,
    )


def _require_pairs(
    head: NDArray[np.bool_],
    weight: NDArray[np.bool_],
    key: NDArray[np.bool_],
    value: NDArray[np.bool_],
    count: int,
) -> None:
    """After the label come keys and values by turns; ValueError otherwise."""
    following = np.zeros(count, bool)
    following[1:] = key[:-1]
    if (following != value).any() or (count and key[-1]) or (weight & head).any():
        raise ValueError("an index has no value or a value has no index")


def _groups(
    row: NDArray[np.int64], values: NDArray[np.float64], query: NDArray[np.bool_], rows: int
) -> NDArray[np.int64] | None:
    if not query.any():
        return None
    if not np.array_equal(row[query], np.arange(rows)):
        raise ValueError("every row needs one qid once a row has one")
    return values[query].astype(np.int64)


def _weights(
    numbers: NDArray[np.float64], head: NDArray[np.bool_], weight: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    if not weight.any():
        return None
    if weight.sum() == head.sum():
        return numbers[weight].astype(np.float32)
    # Rows that do not state a weight weigh 1.
    weights = np.ones(int(head.sum()), np.float32)
    weights[(np.cumsum(head) - 1)[weight]] = numbers[weight]
    return weights


def _matrix(
    row: NDArray[np.int64], keys: NDArray[np.float64], values: NDArray[np.float64], rows: int
) -> sparse.csr_matrix:
    columns = keys.astype(np.int64)
    if (columns != keys).any() or (columns < 0).any():
        raise ValueError("an index is not a whole number from 0 on")
    if len(columns) and int(columns.max()) > _MAX_INDEX:
        raise ValueError("an index is too large")
    edges = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=rows), out=edges[1:])
    width = int(columns.max(initial=-1)) + 1
    data = values.astype(np.float32)
    return sparse.csr_matrix((data, columns.astype(np.int32), edges), shape=(rows, width))


def _located(block: bytes, name: str, rows_before: int, error: Exception) -> ClientError:
    """The error of the first line that does not have the format."""
    for index, line in enumerate(block.decode("utf-8", "replace").split("\n"), rows_before + 1):
        content = line.partition("#")[0].strip()
        if content and not _LINE.fullmatch(content):
            return ClientError(
                f"Unable to read row {index} of {name}: {content[:80]!r} is not of the form "
                "'label[:weight] [qid:id] index:value ...'."
            )
    first = rows_before + 1
    last = rows_before + count_lines(block)
    return ClientError(f"Unable to read rows {first} to {last} of {name}: {error}.")
