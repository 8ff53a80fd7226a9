"""Documents as word counts, and a corpus that keeps what fits in memory.

Of a corpus larger than its budget a uniform sample of the documents is kept: whenever the budget is
exceeded, each kept document stays with probability one half, and so do later ones, halved again
each time.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.row_flaws import RowFlaw, feature_flaw

LARGEST_COUNT = 1e9
BLOCK_ENTRIES = 1 << 17


class Documents(NamedTuple):
    """Word counts of documents, without zeros.

    Document i has the words ``words[starts[i]:starts[i + 1]]``, int32 in 0..vocabulary-1, as often
    as ``counts`` says, float32; ``starts`` is int64.
    """

    starts: NDArray[np.int64]
    words: NDArray[np.int32]
    counts: NDArray[np.float32]
    vocabulary: int

    @classmethod
    def of(cls, features: Any) -> Self:
        """The documents of a (documents, vocabulary) array or sparse matrix of counts.

        ClientError for counts that are negative, not finite or above 1e9.
        """
        flaw = count_flaw(Batch(features))
        if flaw is not None:
            raise ClientError(f"Document {flaw.row + 1} {flaw.text}")
        matrix = sparse.csr_matrix(features, dtype=np.float32)
        if matrix.has_canonical_format and not (matrix.data == 0).any():
            return cls._of_csr(matrix)
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return cls._of_csr(matrix)

    @classmethod
    def _of_csr(cls, matrix: sparse.csr_matrix) -> Self:
        words = matrix.indices.astype(np.int32, copy=False)
        if words.size and (words.min() < 0 or words.max() >= matrix.shape[1]):
            raise ClientError(f"A word lies outside the vocabulary of {matrix.shape[1]} words.")
        return cls(matrix.indptr.astype(np.int64), words, matrix.data, matrix.shape[1])

    @property
    def rows(self) -> int:
        """How many documents there are."""
        return self.starts.size - 1

    @property
    def matrix(self) -> sparse.csr_matrix:
        """The (documents, vocabulary) counts, sharing memory."""
        shape = (self.rows, self.vocabulary)
        return sparse.csr_matrix((self.counts, self.words, self.starts), shape=shape)

    def lengths(self) -> NDArray[np.float64]:
        """The number of words of each document, shape (documents,)."""
        return np.asarray(self.matrix.sum(axis=1, dtype=np.float64)).ravel()

    def size_bytes(self) -> int:
        """The memory of the arrays."""
        return self.starts.nbytes + self.words.nbytes + self.counts.nbytes

    def pieces(self, entries: int) -> Iterator[tuple[int, int]]:
        """Ranges of documents that have about so many entries each, in order."""
        first = 0
        while first < self.rows:
            end = int(np.searchsorted(self.starts, self.starts[first] + entries, side="right")) - 1
            last = min(self.rows, max(end, first + 1))
            yield first, last
            first = last


def count_flaw(batch: Batch) -> RowFlaw | None:
    """The first row that holds no counts: a feature negative, above 1e9 or not finite."""
    flaw = feature_flaw(batch)
    if flaw is not None:
        return flaw
    is_sparse = sparse.issparse(batch.features)
    values = batch.features.data if is_sparse else batch.features
    if not values.size or (values.min() >= 0 and values.max() <= LARGEST_COUNT):
        return None
    wrong = (values < 0) | (values > LARGEST_COUNT)
    if is_sparse:
        row = int(np.searchsorted(batch.features.indptr, wrong.argmax(), side="right")) - 1
    else:
        row = int(wrong.any(axis=1).argmax())
    value = float(values[wrong].flat[0])
    return RowFlaw(row, f"has the word count {value:g}; word counts lie between 0 and 1e9.")


def joined(parts: list[Documents]) -> Documents:
    """All documents in one, in order."""
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(part.starts[-1] for part in parts[:-1])])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets, strict=True)]
    return Documents(
        np.concatenate([np.zeros(1, np.int64), *starts]),
        np.concatenate([part.words for part in parts]),
        np.concatenate([part.counts for part in parts]),
        parts[0].vocabulary,
    )


class Corpus:
    """The documents of one pass, or a uniform sample of them where memory has a budget.

    ``row_bytes`` is what a kept document costs beside its words. ``documents`` counts all, those
    not kept included; ``share`` is the part that is kept, one unless the budget was exceeded.
    """

    def __init__(self, *, budget_bytes: int, row_bytes: int, rng: np.random.Generator) -> None:
        self._budget_bytes = budget_bytes
        self._row_bytes = row_bytes
        self._rng = rng
        self._pending: list[Documents] = []
        self._pending_entries = 0
        self._size_bytes = 0
        self.blocks: list[Documents] = []
        self.documents = 0
        self.share = 1.0

    @property
    def complete(self) -> bool:
        """Whether all documents have been kept."""
        return self.share == 1.0

    def add(self, documents: Documents) -> None:
        """Take in documents; call `close` after the last ones."""
        self.documents += documents.rows
        if not self.complete:
            documents = self._thinned(documents, self.share)
        self._append(documents)
        while self._size_bytes > self._budget_bytes:
            self._halve()

    def close(self) -> Self:
        """Bring the last documents into blocks; returns self."""
        if self._pending:
            self.blocks.append(joined(self._pending))
            self._pending, self._pending_entries = [], 0
        return self

    def _append(self, documents: Documents) -> None:
        if not documents.rows:
            return
        self._size_bytes += documents.size_bytes() + self._row_bytes * documents.rows
        self._pending.append(documents)
        self._pending_entries += documents.words.size
        if self._pending_entries >= BLOCK_ENTRIES:
            self.close()

    def _halve(self) -> None:
        self.close()
        before = self.blocks[::-1]
        self.blocks, self._size_bytes = [], 0
        self.share /= 2
        # One block at a time is let go while its half is copied.
        while before:
            self._append(self._thinned(before.pop(), 0.5))

    def _thinned(self, documents: Documents, share: float) -> Documents:
        kept = np.flatnonzero(self._rng.random(documents.rows) < share)
        matrix = documents.matrix[kept]
        return Documents(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32, copy=False),
            matrix.data,
            documents.vocabulary,
        )
