"""Documents, their checks, and the sample of a corpus that is larger than its memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lda.corpus import Corpus, Documents, joined

COUNTS = arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=st.just(2))
SPARSE_COUNTS = COUNTS.flatmap(
    lambda counts: st.lists(st.booleans(), min_size=counts.size, max_size=counts.size).map(
        lambda kept: counts * np.array(kept, np.float32).reshape(counts.shape)
    )
)


@settings(max_examples=50, deadline=None)
@given(SPARSE_COUNTS, st.integers(1, 9))
def test_pieces_cover_all_documents_once(counts, entries):
    documents = Documents.of(counts)
    pieces = list(documents.pieces(entries))
    covered = [row for first, last in pieces for row in range(first, last)]
    assert covered == list(range(len(counts)))
    for first, last in pieces:
        held = documents.starts[last] - documents.starts[first]
        assert held <= entries or last == first + 1


@settings(max_examples=50, deadline=None)
@given(SPARSE_COUNTS)
def test_dense_sparse_and_joined_documents_are_the_same(counts):
    wanted = Documents.of(counts)
    parts = [Documents.of(sparse.csr_matrix(row[None])) for row in counts]
    together = joined(parts)
    np.testing.assert_array_equal(wanted.matrix.toarray(), counts)
    np.testing.assert_array_equal(together.matrix.toarray(), counts)
    np.testing.assert_array_equal(together.lengths(), counts.sum(axis=1))
    assert not (wanted.counts == 0).any()


def test_a_word_given_twice_counts_twice_and_zeros_are_dropped():
    twice = sparse.csr_matrix(
        (np.array([1.0, 2.0, 0.0], np.float32), np.array([1, 1, 2]), np.array([0, 3])), shape=(1, 4)
    )
    documents = Documents.of(twice)
    assert documents.words.tolist() == [1]
    assert documents.counts.tolist() == [3.0]


@pytest.mark.parametrize("as_matrix", [np.array, sparse.csr_matrix])
@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "count -1"), (2e9, r"count 2e\+09"), (np.nan, "not a finite"), (np.inf, "not a fin")],
)
def test_what_is_no_count_is_refused_with_its_document(as_matrix, value, message):
    counts = np.ones((4, 3), np.float32)
    counts[2, 1] = value
    with pytest.raises(ClientError, match=f"Document 3 .*{message}"):
        Documents.of(as_matrix(counts))


def test_a_corpus_keeps_a_uniform_sample_within_its_budget():
    corpus = Corpus(budget_bytes=40_000, row_bytes=32, rng=np.random.default_rng(0))
    numbers = np.arange(1, 8001, dtype=np.float32)[:, None]
    for first in range(0, 8000, 100):
        corpus.add(Documents.of(numbers[first : first + 100]))
    corpus.close()
    kept = np.concatenate([block.counts for block in corpus.blocks])
    assert corpus.documents == 8000
    assert not corpus.complete
    assert sum(block.size_bytes() + 32 * block.rows for block in corpus.blocks) <= 40_000
    assert kept.size == pytest.approx(8000 * corpus.share, rel=0.2)
    assert len(set(kept)) == kept.size
    # Early documents are as likely to be kept as late ones.
    assert kept.mean() == pytest.approx(4000, rel=0.08)


def test_a_corpus_within_its_budget_is_kept_whole():
    corpus = Corpus(budget_bytes=1 << 20, row_bytes=32, rng=np.random.default_rng(0))
    for _ in range(7):
        corpus.add(Documents.of(np.ones((3, 2))))
    assert corpus.close().complete
    assert sum(block.rows for block in corpus.blocks) == 21
