"""The expectation step in C, against the formulas of Blei, Ng and Jordan 2003 written in numpy."""

import numpy as np
import pytest
from scipy.special import digamma
from tests.unit.algorithms.lda.corpora import bars

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.lda.kernel import TopicTable, expect


def step(counts: np.ndarray, beta: np.ndarray, alpha: np.ndarray, expected: np.ndarray):
    """Expected counts, statistics and data terms after one update, by the definition."""
    weights = np.exp(digamma(expected + alpha))
    chances = weights @ beta
    factors = counts / chances
    shares = weights[:, :, None] * beta[None] * factors[:, None, :]
    return shares.sum(axis=2), shares.sum(axis=0).T, (counts * np.log(chances)).sum(axis=1)


@pytest.mark.parametrize("topics", [1, 3, 8, 11, 20, 30, 37])
def test_one_update_is_that_of_the_definition(topics):
    random = np.random.default_rng(topics)
    counts = random.poisson(0.7, (40, 50)).astype(np.float32)
    beta = random.dirichlet(np.full(50, 0.5), size=topics)
    alpha = random.uniform(0.02, 1.5, topics)
    documents = Documents.of(counts)
    table = TopicTable(beta, alpha)
    expected = np.zeros((40, table.stride), np.float32)
    expected[:, :topics] = random.uniform(0, 20, (40, topics))
    wanted = step(counts, np.maximum(beta, 1e-12), alpha, expected[:, :topics].astype(float))
    statistics = np.zeros((50, table.stride))
    logs = np.zeros(table.stride)
    scores = np.zeros(40)
    log_weights = digamma(expected[:, :topics] + alpha).sum(axis=0)
    expect(
        documents,
        0,
        40,
        table,
        expected,
        iterations=0,
        tolerance=0.0,
        statistics=statistics,
        log_weights=logs,
        log_likelihoods=scores,
    )
    np.testing.assert_allclose(expected[:, :topics], wanted[0], rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(statistics[:, :topics], wanted[1], rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(scores, wanted[2], rtol=1e-5)
    np.testing.assert_allclose(logs[:topics], log_weights, rtol=1e-4)
    assert not expected[:, topics:].any()
    assert not statistics[:, topics:].any()


@pytest.mark.parametrize("argument", [1e-3, 0.05, 0.3, 1.0, 2.7, 40.0, 1e6])
def test_the_digamma_of_the_kernel_is_scipys(argument):
    """A document of one topic whose expected count is the argument less alpha."""
    table = TopicTable(np.ones((1, 1)), np.array([argument / 2]))
    expected = np.zeros((1, 8), np.float32)
    expected[0, 0] = argument / 2
    logs = np.zeros(8)
    documents = Documents.of(np.ones((1, 1)))
    expect(documents, 0, 1, table, expected, iterations=0, tolerance=0.0, log_weights=logs)
    # The kernel keeps weights above 1e-20.
    wanted = max(digamma(argument), np.log(1e-20))
    assert logs[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_only_the_documents_asked_for_are_touched():
    data = bars(5, 30)
    documents = Documents.of(data.counts)
    table = TopicTable(data.topics, np.full(5, 0.2))
    expected = np.ones((30, 8), np.float32)
    expect(documents, 10, 20, table, expected, iterations=5, tolerance=1e-3)
    assert (expected[:10] == 1).all()
    assert (expected[20:] == 1).all()
    lengths = documents.lengths()[10:20]
    np.testing.assert_allclose(expected[10:20].sum(axis=1), lengths, rtol=1e-4)


def test_arrays_that_do_not_fit_are_refused():
    documents = Documents.of(np.ones((3, 4)))
    table = TopicTable(np.full((2, 4), 0.25), np.ones(2))
    expected = np.zeros((3, 8), np.float32)
    settings = {"iterations": 1, "tolerance": 0.0}
    with pytest.raises(ValueError, match="array of shape"):
        expect(documents, 0, 3, table, expected[:, :4], **settings)
    with pytest.raises(ValueError, match="array of shape"):
        expect(documents, 0, 3, table, expected, statistics=np.zeros((3, 8)), **settings)
    with pytest.raises(ValueError, match="do not fit"):
        expect(documents, 0, 4, table, expected, **settings)
    narrow = TopicTable(np.full((2, 3), 1 / 3), np.ones(2))
    with pytest.raises(ValueError, match="do not fit"):
        expect(documents, 0, 3, narrow, expected, **settings)
