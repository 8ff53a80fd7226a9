"""A block of CSV lines to a matrix of numbers, labels and categorical columns, by Arrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MISSING_CELLS = (
    *("", "NA", "N/A", "#N/A", "<NA>", "n/a", "NaN", "nan", "-NaN", "-nan"),
    *("null", "NULL", "None"),
)
"""What stands for a missing value, as pandas reads it."""

_NEWLINE = ord("\n")

Numbers = NDArray[np.float64]


class TextBlock(NamedTuple):
    """Whole lines of a stream; ``is_first`` says that they are its first ones."""

    name: str
    text: bytes
    is_first: bool

    def count_lines(self) -> int:
        """How many lines there are, empty ones too."""
        # Unlike bytes.count, this lets other threads run.
        ends = int(np.count_nonzero(np.frombuffer(self.text, np.uint8) == _NEWLINE))
        return ends + (not self.text.endswith(b"\n") if self.text else 0)


@dataclass(frozen=True)
class ParsedBlock:
    """The rows of a block.

    ``numbers`` (rows, features) are NaN in missing cells and in the categorical columns, which are
    in ``categories`` by their place among all columns: Arrow's dictionary arrays, or lists of
    cells. ``labels`` (rows,) is None where rows have none. ``has_infinite`` is about ``numbers``.
    """

    numbers: Numbers
    labels: Numbers | None
    categories: dict[int, Any]
    has_infinite: bool


def parse_block(
    text: bytes, columns: int, leading: int, categorical: Sequence[int]
) -> ParsedBlock | None:
    """The rows of a text, None if Arrow cannot read it as so many columns.

    ``leading`` is how many labels come before the features, 0 or 1; ``categorical`` are places
    among all columns.
    """
    cells = _arrow_columns(text, columns, categorical)
    return None if cells is None else arranged(cells, columns, leading, categorical)


def arranged(
    cells: Sequence[Any], columns: int, leading: int, categorical: Sequence[int]
) -> ParsedBlock:
    """The rows whose cells are given column by column; without rows, there may be no columns."""
    rows = len(cells[0]) if cells else 0
    numbers = np.empty((rows, columns - leading), np.float64)
    labels = np.ascontiguousarray(cells[0], np.float64) if cells and leading else None
    categories = {place: cells[place] for place in categorical} if cells else {}
    for place in range(leading, len(cells)):
        numbers[:, place - leading] = np.nan if place in categories else cells[place]
    return ParsedBlock(numbers, labels, categories, bool(np.isinf(numbers).any()))


def _arrow_columns(text: bytes, columns: int, categorical: Sequence[int]) -> list[Any] | None:
    import pyarrow as pa
    import pyarrow.csv

    from sagebrush.algorithms.formats.arrow_stream import arrow_stream

    names = [str(place) for place in range(columns)]
    words = {str(place) for place in categorical}
    coded = pa.dictionary(pa.int32(), pa.string())
    try:
        table = pa.csv.read_csv(
            arrow_stream(text),
            # Blocks are parsed at the same time, columns are not.
            read_options=pa.csv.ReadOptions(
                column_names=names, block_size=len(text) + 1, use_threads=False
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: coded if name in words else pa.float64() for name in names},
                null_values=list(MISSING_CELLS),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [
        column.combine_chunks() if name in words else column.to_numpy()
        for name, column in zip(names, table.columns, strict=True)
    ]
