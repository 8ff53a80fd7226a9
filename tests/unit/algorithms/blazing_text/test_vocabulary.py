"""Counting and numbering words."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.blazing_text.vocabulary import FeatureRules, Vocabulary
from sagebrush.algorithms.errors import ClientError

SPACES = bytes([0, 9, 10, 11, 12, 13, 32])
texts = st.binary(max_size=300) | st.text("ab \n\t\0\u00e9", max_size=300).map(str.encode)


def split(text: bytes) -> list[bytes]:
    return text.translate(bytes(32 if byte in SPACES else byte for byte in range(256))).split(b" ")


@given(texts, st.integers(0, 3))
def test_words_are_counted_and_numbered_by_frequency_and_first_appearance(text, min_count):
    vocabulary = Vocabulary()
    vocabulary.count(text)
    vocabulary.keep(min_count)
    counted = Counter(word for word in split(text) if word)
    kept = [(word, count) for word, count in counted.most_common() if count >= min_count]
    words, counts = vocabulary.entries()
    assert list(zip(words, counts.tolist(), strict=True)) == kept
    assert vocabulary.tokens == sum(counted.values())
    assert vocabulary.find([*words, b"never there"]).tolist() == [*range(len(kept)), -1]


@given(texts)
def test_text_becomes_numbers_with_a_mark_at_each_newline(text):
    vocabulary = Vocabulary()
    vocabulary.count(b"a ab b \xc3\xa9")
    vocabulary.keep(1)
    numbers = {word: place for place, word in enumerate(vocabulary.entries()[0])}
    ids = np.empty(len(text), np.int32)
    count, tokens = vocabulary.encode(text, ids)
    expected: list[int] = []
    lines = text.split(b"\n")
    for place, line in enumerate(lines):
        expected += [numbers[word] for word in split(line) if word in numbers]
        expected += [-1] * (place < len(lines) - 1)
    assert ids[:count].tolist() == expected
    assert tokens == sum(bool(word) for word in split(text))


@given(texts, st.integers(1, 4))
def test_documents_are_read_alike_however_little_room_there_is(text, word_ngrams):
    vocabulary = Vocabulary()
    vocabulary.count(b"a __label__x ab b __label__y\n", line_ends=True)
    vocabulary.keep(1, with_labels=True)
    assert (vocabulary.words, vocabulary.labels) == (4, 2)
    rules = FeatureRules(vocabulary, 50, 1, 3, word_ngrams)
    text = text.replace(b"ab", b"__label__x")
    whole = pieces(rules, text)
    lines = [line + b"\n" for line in text.split(b"\n")]
    if not text or text.endswith(b"\n"):
        lines.pop()
    single = [each for line in lines for each in pieces(rules, line)]
    assert whole == single
    assert len(whole) == len(lines)


def pieces(rules: FeatureRules, text: bytes) -> list[tuple[list[int], list[int]]]:
    found = []
    for documents in rules.read_documents(text):
        start = first = 0
        for place in range(documents.count):
            end, last = int(documents.feature_ends[place]), int(documents.label_ends[place])
            found.append(
                (documents.features[start:end].tolist(), documents.labels[first:last].tolist())
            )
            start, first = end, last
    return found


def test_a_large_vocabulary_survives_growth():
    words = [f"w{number}".encode() for number in range(60_000)]
    vocabulary = Vocabulary()
    for first in range(0, 60_000, 7_000):
        vocabulary.count(b" ".join(words[first : first + 7_000]))
    vocabulary.count(b"w59999 w59999 w3")
    vocabulary.keep(1)
    assert vocabulary.entries()[0] == [b"w59999", b"w3", *words[:3], *words[4:-1]]
    assert vocabulary.find(words[:3]).tolist() == [2, 3, 4]


def test_labels_stay_however_rare_and_come_last():
    vocabulary = Vocabulary()
    vocabulary.count(b"__label__a x x __label__b __label__b y\n", line_ends=True)
    vocabulary.keep(2, with_labels=True)
    assert vocabulary.entries()[0] == [b"x", b"__label__b", b"__label__a"]
    assert (vocabulary.words, vocabulary.labels, vocabulary.tokens) == (1, 2, 7)


def test_a_word_that_comes_twice_is_no_vocabulary():
    with pytest.raises(ValueError, match="twice"):
        Vocabulary.of_entries([b"a", b"a"], np.array([1, 1]), 2, 2)


def test_too_many_rows_name_the_hyperparameter():
    vocabulary = Vocabulary.of_entries([b"a"], np.array([1]), 1, 1)
    with pytest.raises(ClientError, match="buckets"):
        FeatureRules(vocabulary, 2**31 - 1)


def test_room_for_words_is_checked():
    vocabulary = Vocabulary.of_entries([b"a"], np.array([1]), 1, 1)
    with pytest.raises(ValueError, match="room"):
        vocabulary.encode(b"a a a", np.empty(4, np.int32))
