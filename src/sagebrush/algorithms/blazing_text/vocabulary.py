"""Words and labels with their numbers and counts, found in text at the speed of C."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sagebrush.algorithms.blazing_text.kernel import (
    DocumentIdsArguments,
    DocumentsArguments,
    FeaturesArguments,
    Int32s,
    Int64s,
    address,
    kernel,
)
from sagebrush.algorithms.errors import ClientError

LABEL_PREFIX = "__label__"

_MOST_FEATURES = 1 << 22
"""Of a piece of several lines; a single line may have more."""


class Vocabulary:
    """Numbers 0, 1, ... of the words by falling frequency; labels are numbered behind them.

    Text is bytes; what separates words are ASCII white space and zero bytes, as in fastText.
    """

    def __init__(self) -> None:
        self._library = kernel()
        self._handle = self._library.vocabulary_create()
        if not self._handle:
            raise MemoryError
        self.words = 0
        self.labels = 0
        self.tokens = 0

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.vocabulary_free(self._handle)

    @property
    def handle(self) -> int:
        """What C functions know the vocabulary by."""
        return int(self._handle)

    def count(self, text: bytes, *, line_ends: bool = False) -> None:
        """Count the words of whole lines; ``line_ends`` counts each newline as ``</s>``."""
        if self._library.vocabulary_count(self._handle, text, len(text), line_ends) < 0:
            raise MemoryError

    def keep(self, min_count: int, *, with_labels: bool = False) -> None:
        """Number the words that were counted at least ``min_count`` times, and all labels."""
        if self._library.vocabulary_keep(self._handle, min_count, with_labels) < 0:
            raise MemoryError
        self._measure()

    def _measure(self) -> tuple[int, int]:
        words, tokens, size = ctypes.c_int64(), ctypes.c_int64(), ctypes.c_int64()
        entries = self._library.vocabulary_size(
            self._handle, ctypes.byref(words), ctypes.byref(tokens), ctypes.byref(size)
        )
        self.words, self.tokens = words.value, tokens.value
        self.labels = entries - self.words
        return entries, size.value

    def entries(self) -> tuple[list[bytes], Int64s]:
        """The words, then the labels, and how often each was counted."""
        count, size = self._measure()
        texts = np.empty(size, np.uint8)
        ends, counts = np.empty(count, np.int64), np.empty(count, np.int64)
        self._library.vocabulary_export(self._handle, texts, ends, counts)
        joined, starts = texts.tobytes(), [0, *ends.tolist()]
        return [joined[start:end] for start, end in pairwise(starts)], counts

    @classmethod
    def of_entries(
        cls, texts: Sequence[bytes], counts: Int64s, words: int, tokens: int
    ) -> "Vocabulary":
        """The vocabulary of these words, then labels; ValueError if a text comes twice."""
        made = cls()
        joined, ends = joined_texts(texts)
        result = made._library.vocabulary_import(
            made.handle, joined, ends, np.ascontiguousarray(counts), len(texts), words, tokens
        )
        if result == -1:
            raise MemoryError
        if result < 0:
            raise ValueError("a word comes twice in the vocabulary")
        made._measure()
        return made

    def encode(self, text: bytes, ids: Int32s) -> tuple[int, int]:
        """Write the numbers of the text's words, -1 for each newline; how many, and of how many.

        Unknown words are left out. ``ids`` must have room for ``len(text)``.
        """
        if len(ids) < len(text):
            raise ValueError("there is not enough room for the words")
        tokens = ctypes.c_int64()
        written = self._library.vocabulary_encode(
            self._handle, text, len(text), ids, ctypes.byref(tokens)
        )
        return int(written), tokens.value

    def find(self, words: Sequence[bytes]) -> Int64s:
        """Each word's number, -1 if it is unknown."""
        joined, ends = joined_texts(words)
        found = np.empty(len(words), np.int64)
        self._library.vocabulary_lookup(self._handle, joined, ends, len(words), found)
        return found


def joined_texts(texts: Sequence[bytes]) -> tuple[bytes, Int64s]:
    """The texts one after the other and where each ends."""
    return b"".join(texts), np.cumsum([0, *map(len, texts)], dtype=np.int64)[1:]


@dataclass
class Documents:
    """Lines as numbers: features of document i are ``features[feature_ends[i-1]:feature_ends[i]]``.

    Labels likewise, counted from 0. ``tokens`` counts words, labels and line ends.
    """

    features: Int32s
    labels: Int32s
    feature_ends: Int64s
    label_ends: Int64s
    count: int
    tokens: int

    def arguments(self) -> DocumentIdsArguments:
        """The documents as C takes them; they must outlive it."""
        return DocumentIdsArguments(
            address(self.features),
            address(self.labels),
            address(self.feature_ends),
            address(self.label_ends),
            self.count,
        )


@dataclass(frozen=True)
class FeatureRules:
    """How text becomes rows of the input matrix, as in fastText.

    Row numbers below ``vocabulary.words`` are words, the next ``buckets`` are hashed character
    n-grams of ``min_char`` to ``max_char`` characters (none if ``max_char`` is 0) and word n-grams
    up to ``word_ngrams`` words.
    """

    vocabulary: Vocabulary
    buckets: int = 0
    min_char: int = 0
    max_char: int = 0
    word_ngrams: int = 1

    def __post_init__(self) -> None:
        if self.vocabulary.words + self.buckets >= 1 << 31:
            raise ClientError("'buckets' is too large: words and buckets exceed 2**31 - 1 rows.")

    def _arguments(self) -> FeaturesArguments:
        return FeaturesArguments(
            self.vocabulary.handle, self.buckets, self.min_char, self.max_char, self.word_ngrams
        )

    def rows_of_words(self, words: Sequence[bytes]) -> tuple[Int32s, Int64s]:
        """The rows of each word, itself first if it is known, and where each word's rows end."""
        joined, text_ends = joined_texts(words)
        ends = np.empty(len(words), np.int64)
        arguments = self._arguments()
        rows = np.empty(0, np.int32)
        while True:
            count = kernel().word_rows(
                ctypes.byref(arguments), joined, text_ends, len(words), rows, len(rows), ends
            )
            if count <= len(rows):
                return rows, ends
            rows = np.empty(count, np.int32)

    def read_documents(self, text: bytes) -> Iterable[Documents]:
        """The lines of a text as numbers, in pieces of bounded size."""
        size = len(text)
        room = min(size * max(1, self.word_ngrams), _MOST_FEATURES) + 64
        arguments, start = self._arguments(), 0
        while start < size:
            documents, consumed = _read(arguments, text[start:] if start else text, room)
            start += consumed
            if consumed == 0:
                room *= 4
            else:
                yield documents


def _read(rules: FeaturesArguments, text: bytes, room: int) -> tuple[Documents, int]:
    size = len(text)
    lines = text.count(b"\n") + 1
    features, labels = np.empty(room, np.int32), np.empty(size, np.int32)
    feature_ends, label_ends = np.empty(lines, np.int64), np.empty(lines, np.int64)
    hashes = np.empty(size + 1, np.uint32)
    where = DocumentsArguments(
        *(address(each) for each in (features, labels, feature_ends, label_ends, hashes)),
        room,
        lines,
    )
    consumed, tokens = ctypes.c_int64(), ctypes.c_int64()
    references: tuple[Any, ...] = (ctypes.byref(consumed), ctypes.byref(tokens))
    count = kernel().read_documents(
        ctypes.byref(rules), text, size, ctypes.byref(where), *references
    )
    return Documents(
        features, labels, feature_ends, label_ends, count, tokens.value
    ), consumed.value
