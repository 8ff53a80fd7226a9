"""Categorical columns as the whole numbers that a tree library takes for categories."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.tabular.csv_table import CodedColumn, Table

MAX_CATEGORY = 2**31 - 1

Words = dict[int, Sequence[str]]


def named_categories(table: Table) -> Words:
    """The words of those categorical columns whose categories are not all whole numbers."""
    return {
        index: sorted(column.words)
        for index, column in table.categories.items()
        if not all(map(_is_number, column.words))
    }


def with_category_numbers(table: Table, words: Mapping[int, Sequence[str]]) -> NDArray[np.float64]:
    """The table's numbers with its categorical columns filled in, which changes them in place.

    A column in ``words`` becomes places among its words, any other the numbers its cells spell.
    An empty cell or an unknown category is NaN.
    """
    for index, column in table.categories.items():
        table.numbers[:, index] = _values(column, words.get(index))[column.codes]
    return table.numbers


def _values(column: CodedColumn, words: Sequence[str] | None) -> NDArray[np.float64]:
    """What each code stands for; the last one, which MISSING points to, is NaN."""
    if words is None:
        found = [float(word) if _is_number(word) else np.nan for word in column.words]
    else:
        places = {word: float(place) for place, word in enumerate(words)}
        found = [places.get(word, np.nan) for word in column.words]
    return np.array([*found, np.nan])


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and int(word) <= MAX_CATEGORY
