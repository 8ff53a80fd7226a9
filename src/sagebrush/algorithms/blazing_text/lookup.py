"""Vectors of words from a stored model."""

from collections.abc import Sequence

import numpy as np

from sagebrush.algorithms.blazing_text.fasttext_file import StoredModel
from sagebrush.algorithms.blazing_text.kernel import Floats, Int32s, Int64s, kernel


def vectors_of(model: StoredModel, words: Sequence[bytes]) -> Floats:
    """The means of the words' rows, (words, dim) float32; zeros where a word has none."""
    rows, ends = model.rules.rows_of_words(words)
    return means_of(model, rows, ends)


def means_of(model: StoredModel, rows: Int32s, ends: Int64s) -> Floats:
    """The means of groups of rows of the input matrix, (groups, dim) float32."""
    matrix, dim = model.input, model.arguments.dim
    means = np.zeros((len(ends), matrix.strides[0] // 4), np.float32)
    columns = means.shape[1]
    # A padded matrix is read with its padding, which is zero.
    start = matrix.__array_interface__["data"][0]
    kernel().mean_rows(start, columns, rows, ends, len(ends), means)
    return means[:, :dim]
