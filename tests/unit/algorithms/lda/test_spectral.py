"""Moments, tensor decomposition and the topics they determine."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from tests.unit.algorithms.lda.corpora import bars, topic_error

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.lda.moments import Moments, piece_of
from sagebrush.algorithms.lda.spectral import Search, spectral_topics
from sagebrush.algorithms.lda.tensor import decompose
from sagebrush.algorithms.lda.workers import Workers


def spectral(counts, topics, a0=1.0, **options):
    with Workers(1) as workers:
        return spectral_topics(
            [Documents.of(counts)],
            topics,
            2,
            a0,
            search=Search(),
            workers=workers,
            rng=np.random.default_rng(0),
            **options,
        )


def test_moments_are_the_means_over_pairs_and_triples_of_words():
    """Against an enumeration of all ordered pairs and triples of a document's words."""
    texts = [[0, 0, 1, 2], [3, 1, 1], [2, 3, 3, 0, 0]]
    counts = np.array([np.bincount(text, minlength=4) for text in texts], float)
    a0 = 0.7
    moments = Moments([piece_of(sparse.csr_matrix(counts))], a0, map)
    first, pairs, triples = np.zeros(4), np.zeros((4, 4)), np.zeros((4, 4, 4))
    for text in texts:
        for places, into in ((1, first), (2, pairs), (3, triples)):
            drawn = list(itertools.permutations(text, places))
            for words in drawn:
                into[words] += 1 / (len(drawn) * len(texts))
    second = pairs - a0 / (a0 + 1) * np.outer(first, first)
    mixed = np.einsum("ij,k->ijk", pairs, first)
    third = (
        triples
        - a0 / (a0 + 2) * (mixed + mixed.transpose(0, 2, 1) + mixed.transpose(2, 0, 1))
        + 2 * a0**2 / ((a0 + 1) * (a0 + 2)) * np.einsum("i,j,k->ijk", first, first, first)
    )
    whitening = moments.whitening(4, 0, np.random.default_rng(0))
    forth = whitening.forth
    np.testing.assert_allclose(moments.mean, first)
    np.testing.assert_allclose(forth.T @ second @ forth, np.eye(whitening.rank), atol=1e-9)
    np.testing.assert_allclose(forth.T @ whitening.back, np.eye(whitening.rank), atol=1e-9)
    wanted = np.einsum("abc,ai,bj,ck->ijk", third, forth, forth, forth)
    np.testing.assert_allclose(moments.whitened_triples(whitening), wanted, atol=1e-9)


def test_an_orthogonal_tensor_is_taken_apart_exactly():
    random = np.random.default_rng(3)
    vectors = np.linalg.qr(random.normal(size=(6, 6)))[0]
    weights = np.array([3.0, 2.5, 2.0, 1.5, 1.2, 1.0])
    tensor = np.einsum("a,ia,ja,ka->ijk", weights, vectors, vectors, vectors)
    found = decompose(tensor, restarts=10, iterations=1000, tolerance=1e-12, rng=random)
    order = np.argsort(-found.weights)
    np.testing.assert_allclose(found.weights[order], weights, rtol=1e-6)
    np.testing.assert_allclose(found.vectors[:, order].T @ vectors, np.eye(6), atol=1e-6)
    assert found.fit == pytest.approx((tensor**2).sum())


def test_the_moments_alone_find_topics_and_priors():
    data = bars(5, 3000)
    found = spectral(data.counts, 5)
    assert topic_error(data.topics, found.beta) < 0.04
    np.testing.assert_allclose(found.alpha, 0.2, rtol=0.25)


def test_the_surplus_ends_where_noise_begins():
    """Five bars, and up to fifteen more directions asked for."""
    data = bars(5, 3000, seed=1)
    moments = Moments([piece_of(data.counts)], 1.0, map)
    assert 5 <= moments.whitening(5, 15, np.random.default_rng(0)).rank <= 12
    assert moments.whitening(2, 0, np.random.default_rng(0)).rank == 2


def test_more_topics_than_there_are_lose_none():
    data = bars(5, 3000, seed=1)
    found = spectral(data.counts, 10)
    assert found.alpha.size >= 5
    assert topic_error(data.topics, found.beta) < 0.15


def test_a_large_vocabulary_gives_the_topics_of_a_small_one():
    """600 words take the randomised way; most of them never occur, so the moments are the same."""
    data = bars(5, 2000)
    places = np.random.default_rng(0).permutation(600)[:25]
    wide = sparse.lil_matrix((2000, 600), dtype=np.float32)
    wide[:, places] = data.counts
    found = spectral(wide.tocsr(), 5)
    np.testing.assert_allclose(found.beta.sum(axis=1), 1.0)
    assert topic_error(data.topics, found.beta[:, places]) < 0.05
    assert topic_error(spectral(data.counts, 5).beta, found.beta[:, places]) < 1e-3


@pytest.mark.parametrize("counts", [np.eye(4), np.full((5, 3), [1, 1, 0]), np.zeros((2, 2))])
def test_documents_of_fewer_than_three_words_have_no_triples(counts):
    assert spectral(counts, 2) is None
