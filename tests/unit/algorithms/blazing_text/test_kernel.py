"""The training kernels against steps computed with numpy."""

import ctypes

import numpy as np
import pytest

from sagebrush.algorithms.blazing_text.kernel import (
    ClassifierArguments,
    DocumentIdsArguments,
    WordVectorsArguments,
    address,
    kernel,
)
from sagebrush.algorithms.blazing_text.matrices import copy_rows, zero_rows
from sagebrush.algorithms.blazing_text.word_vectors import MODES, keep_chances, noise_table

RATE = 0.1


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def padded(matrix: np.ndarray) -> np.ndarray:
    rows = zero_rows(len(matrix), matrix.shape[1], dense=True)
    rows[:, : matrix.shape[1]] = matrix
    return rows


def trained(
    mode, inputs, outputs, ids, *, window=1, negatives=1, batch_size=11, rows=None, noise=None
):
    """The two matrices after a pass over the words at a constant rate, none left out."""
    words, dim = outputs.shape
    first, second = padded(inputs), padded(outputs)
    keep = np.full(words, 2**63, np.uint64)
    if noise is None:
        noise = noise_table(np.ones(words, np.int64))
    ends, numbers = rows or (None, None)
    arguments = WordVectorsArguments(
        address(first), address(second), address(keep), address(noise), address(ends),
        address(numbers), words, first.shape[1], MODES.index(mode), window, negatives, batch_size,
    )  # fmt: skip
    numbered = np.array(ids, np.int32)
    count = kernel().train_words(
        ctypes.byref(arguments), numbered, len(numbered), RATE, 0.0, 0.0, 1
    )
    assert count == sum(each >= 0 for each in ids)
    assert not first[:, dim:].any()
    assert not second[:, dim:].any()
    return first[:, :dim], second[:, :dim]


def matrices(rows: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(dim)
    return random.normal(size=(2, rows, dim)).astype(np.float32)


def always(word: int, words: int) -> np.ndarray:
    """A table from which every draw is the word."""
    table = np.zeros(words, [("threshold", np.uint32), ("other", np.int32)])
    table["other"] = word
    return table.view(np.uint64)


@pytest.mark.parametrize("dim", [1, 3, 16, 20, 100])
@pytest.mark.parametrize("mode", MODES)
def test_a_sentence_of_two_words_is_two_steps(mode, dim):
    inputs, outputs = matrices(3, dim)
    found = trained(mode, inputs, outputs, [0, 1], noise=always(2, 3))
    x, y = inputs.astype(float), outputs.astype(float)
    for place in (0, 1):
        # Skip-gram predicts the neighbour from the word, the others the word from its neighbour.
        row, target = (place, 1 - place) if mode == "skipgram" else (1 - place, place)
        pair = [target, 2]
        errors = RATE * (np.array([1, 0]) - sigmoid(y[pair] @ x[row]))
        change = errors @ y[pair]
        y[pair] += np.outer(errors, x[row])
        x[row] += change
    np.testing.assert_allclose(found[0], x, atol=2e-6)
    np.testing.assert_allclose(found[1], y, atol=2e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 11, 40])
@pytest.mark.parametrize("length", [3, 4, 5])
def test_a_window_is_a_product_of_small_matrices(batch_size, length):
    """All of a window's words, batch_size at a time, meet the target and its shared negative."""
    inputs, outputs = matrices(length + 1, 5)
    ids = list(range(length))
    noise = always(length, length + 1)
    found = trained("batch_skipgram", inputs, outputs, ids, batch_size=batch_size, noise=noise)
    x, y = inputs.astype(float), outputs.astype(float)
    for place, target in enumerate(ids):
        around = [ids[at] for at in (place - 1, place + 1) if 0 <= at < length]
        for first in range(0, len(around), batch_size):
            some = around[first : first + batch_size]
            pair = [target, length]
            errors = RATE * (np.array([[1, 0]]) - sigmoid(x[some] @ y[pair].T))
            change_x, change_y = errors @ y[pair], errors.T @ x[some]
            np.add.at(x, some, change_x)
            np.add.at(y, pair, change_y)
    np.testing.assert_allclose(found[0], x, atol=3e-6)
    np.testing.assert_allclose(found[1], y, atol=3e-6)


@pytest.mark.parametrize("negatives", [1, 4, 5, 6, 11, 25])
@pytest.mark.parametrize("mode", MODES)
def test_any_number_of_negatives_learns_as_much(mode, negatives):
    """Neighbours become likely and others not, whatever tiles the product is cut into."""
    inputs, outputs = matrices(40, 8) * np.float32(0.1)
    random = np.random.default_rng(0)
    pairs = random.integers(0, 20, 3000)
    ids = np.column_stack([2 * pairs, 2 * pairs + 1, np.full(3000, -1)]).reshape(-1).tolist()
    x, y = trained(mode, inputs, outputs, ids, negatives=negatives)
    scores = x @ y.T
    partner = scores[np.arange(40), np.arange(40) ^ 1]
    assert np.isfinite(scores).all()
    assert (scores <= partner[:, None] + 1e-6).mean() > 0.97


@pytest.mark.parametrize("mode", ["skipgram", "cbow"])
def test_a_word_is_the_mean_of_its_rows_and_each_gets_the_change(mode):
    inputs, outputs = matrices(5, 6)
    outputs = outputs[:3]
    numbers, ends = np.array([0, 3, 4, 1, 4, 2], np.int32), np.array([3, 5, 6], np.int64)
    found = trained(mode, inputs, outputs, [0, 1], rows=(ends, numbers), noise=always(2, 3))
    x, y = inputs.astype(float), outputs.astype(float)
    rows = {0: [0, 3, 4], 1: [1, 4]}
    for place in (0, 1):
        word, target = (place, 1 - place) if mode == "skipgram" else (1 - place, place)
        hidden = x[rows[word]].mean(axis=0)
        pair = [target, 2]
        errors = RATE * (np.array([1, 0]) - sigmoid(y[pair] @ hidden))
        change = errors @ y[pair]
        y[pair] += np.outer(errors, hidden)
        x[rows[word]] += change
    np.testing.assert_allclose(found[0], x, atol=2e-6)
    np.testing.assert_allclose(found[1], y, atol=2e-6)


def test_a_word_is_no_counterexample_to_itself():
    inputs, outputs = matrices(2, 4)
    found = trained("cbow", inputs, outputs, [0, -1, 1, 0], noise=always(0, 2))
    x, y = inputs.astype(float), outputs.astype(float)
    for row, words in ((0, [1, 0]), (1, [0])):
        errors = RATE * (np.array([1, 0])[: len(words)] - sigmoid(y[words] @ x[row]))
        change = errors @ y[words]
        y[words] += np.outer(errors, x[row])
        x[row] += change
    np.testing.assert_allclose(found[0], x, atol=2e-6)
    np.testing.assert_allclose(found[1], y, atol=2e-6)


def test_sentences_do_not_see_each_other_and_long_ones_are_cut():
    inputs, outputs = matrices(2, 4)
    apart = trained("skipgram", inputs, outputs, [0, -1, 1, -1])
    np.testing.assert_array_equal(apart[0], inputs)
    long = trained("cbow", inputs, outputs, [0, 1] * 1500)
    assert np.isfinite(long[0]).all()


def test_negatives_are_drawn_by_the_power_of_three_quarters():
    counts = np.array([20_000, 1, 16, 81, 256, 10_000, 9_000])
    table = noise_table(counts).view([("threshold", np.uint32), ("other", np.int32)])
    share = table["threshold"].astype(float) / 2**32
    chances = np.zeros(len(counts))
    for word, (own, other) in enumerate(zip(share, table["other"], strict=True)):
        chances[word] += own
        chances[other] += 1 - own
    np.testing.assert_allclose(chances / 7, counts**0.75 / (counts**0.75).sum(), atol=1e-8)


def test_frequent_words_are_left_out_as_word2vec_leaves_them_out():
    """word2vec.c: a word stays with probability (sqrt(f / t) + 1) * t / f."""
    counts = np.array([90_000, 9_000, 900, 100])
    share = counts / counts.sum()
    expected = np.minimum((np.sqrt(share / 1e-3) + 1) * 1e-3 / share, 1)
    np.testing.assert_allclose(keep_chances(counts, 1e-3) / 2**63, expected)


@pytest.mark.parametrize(("dim", "labels"), [(1, 2), (10, 3), (64, 5)])
def test_a_document_is_a_step_of_softmax_regression(dim, labels):
    random = np.random.default_rng(3)
    inputs = random.normal(size=(6, dim)).astype(np.float32)
    outputs = random.normal(size=(labels, dim)).astype(np.float32)
    first, second = padded(inputs), padded(outputs)
    features, ends = np.array([0, 2, 5, 1, 4], np.int32), np.array([3, 3, 4, 5], np.int64)
    label_ids, label_ends = np.array([1, 0, 1], np.int32), np.array([1, 2, 2, 3], np.int64)
    model = ClassifierArguments(address(first), address(second), labels, first.shape[1], dim, 0)
    documents = DocumentIdsArguments(
        address(features), address(label_ids), address(ends), address(label_ends), 4
    )
    # The second has no features, the third no label.
    learned = kernel().train_documents(
        ctypes.byref(model), ctypes.byref(documents), RATE, 0.0, 0.0, 1
    )
    assert learned == 2
    x, y = inputs.astype(float), outputs.astype(float)
    for rows, label in (([0, 2, 5], 1), ([4], 1)):
        hidden = x[rows].mean(axis=0)
        chances = np.exp(y @ hidden)
        errors = RATE * (np.eye(labels)[label] - chances / chances.sum())
        change = errors @ y
        y += np.outer(errors, hidden)
        x[rows] += change / len(rows)
    np.testing.assert_allclose(first[:, :dim], x, atol=2e-6)
    np.testing.assert_allclose(second[:, :dim], y, atol=2e-6)
    judged, correct = ctypes.c_int64(), ctypes.c_int64()
    kernel().count_correct(
        ctypes.byref(model), ctypes.byref(documents), ctypes.byref(judged), ctypes.byref(correct)
    )
    best = [int((y @ x[rows].mean(axis=0)).argmax()) for rows in ([0, 2, 5], [4])]
    assert (judged.value, correct.value) == (2, sum(each == 1 for each in best))


def test_copied_rows_are_equal_where_either_was_not_zero():
    source, target = zero_rows(40_000, 10, dense=False), zero_rows(40_000, 10, dense=False)
    source[7] = 1
    target[39_999] = 2
    copy_rows(source, target)
    np.testing.assert_array_equal(source, target)
