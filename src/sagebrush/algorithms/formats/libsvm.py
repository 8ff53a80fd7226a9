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
from sagebrush.algorithms.formats.arrow_stream import arrow_stream
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
    """The numbers of a block, whether a colon follows each, and how many each row has."""

    numbers: NDArray[np.float64]
    is_key: NDArray[np.bool_]
    row_tokens: NDArray[np.int64]


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
    ends = np.flatnonzero(separator[1:] & ~separator[:-1]) + 1
    if not len(ends):
        return _Tokens(np.empty(0), np.empty(0, bool), np.empty(0, np.int64))
    numbers = _numbers(separated)
    if len(numbers) != len(ends):
        raise ValueError("a number is malformed")
    line_ends = np.searchsorted(ends, np.flatnonzero(raw == _NEWLINE), side="right")
    line_tokens = np.diff(line_ends, prepend=0)
    return _Tokens(numbers, raw[ends] == _COLON, line_tokens[line_tokens > 0])


def _numbers(separated: bytes) -> NDArray[np.float64]:
    table = pa.csv.read_csv(
        arrow_stream(separated),
        read_options=pa.csv.ReadOptions(
            column_names=["n"], block_size=len(separated) + 1, use_threads=False
        ),
        parse_options=pa.csv.ParseOptions(delimiter="\x01", quote_char=False),
        convert_options=pa.csv.ConvertOptions(column_types={"n": pa.float64()}, null_values=[]),
    )
    numbers: NDArray[np.float64] = table.column(0).to_numpy()
    return numbers


def _batch(tokens: _Tokens) -> Batch:
    numbers, is_key, row_tokens = tokens
    rows = len(row_tokens)
    head = np.cumsum(row_tokens) - row_tokens
    weighted = is_key[head]
    weight = head[weighted] + 1
    if (row_tokens[weighted] < 2).any() or is_key[weight].any():
        raise ValueError("a label is followed by a colon and no weight")
    rest = np.ones(len(numbers), bool)
    rest[head] = False
    rest[weight] = False
    row_pairs, odd = np.divmod(row_tokens - 1 - weighted, 2)
    keys_and_values = is_key[rest]
    if odd.any() or not keys_and_values[::2].all() or keys_and_values[1::2].any():
        raise ValueError("an index has no value or a value has no index")
    pairs = numbers[rest].reshape(-1, 2)
    groups, pairs, row_pairs = _without_groups(pairs, row_pairs)
    return Batch(
        _matrix(pairs, row_pairs),
        numbers[head].astype(np.float32),
        _weights(numbers[weight], weighted, rows),
        groups,
    )


def _without_groups(
    pairs: NDArray[np.float64], row_pairs: NDArray[np.int64]
) -> tuple[NDArray[np.int64] | None, NDArray[np.float64], NDArray[np.int64]]:
    """The query id of each row, if there are any, and the pairs that are features."""
    query = pairs[:, 0] == _QUERY_KEY
    if not query.any():
        return None, pairs, row_pairs
    rows = np.repeat(np.arange(len(row_pairs)), row_pairs)[query]
    if not np.array_equal(rows, np.arange(len(row_pairs))):
        raise ValueError("every row needs one qid once a row has one")
    return pairs[query, 1].astype(np.int64), pairs[~query], row_pairs - 1


def _weights(
    stated: NDArray[np.float64], weighted: NDArray[np.bool_], rows: int
) -> NDArray[np.float32] | None:
    """The weight of each row, 1 where it states none; None if no row states one."""
    if not len(stated):
        return None
    weights = np.ones(rows, np.float32)
    weights[weighted] = stated
    return weights


def _matrix(pairs: NDArray[np.float64], row_pairs: NDArray[np.int64]) -> sparse.csr_matrix:
    keys = pairs[:, 0]
    largest = keys.max(initial=-1)
    if not 0 <= keys.min(initial=0) <= _MAX_INDEX >= largest:
        raise ValueError("an index is negative or too large")
    columns = keys.astype(np.int32)
    if (columns != keys).any():
        raise ValueError("an index is not a whole number")
    edges = np.zeros(len(row_pairs) + 1, np.int64)
    np.cumsum(row_pairs, out=edges[1:])
    values = pairs[:, 1].astype(np.float32)
    return sparse.csr_matrix((values, columns, edges), shape=(len(row_pairs), int(largest) + 1))


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
