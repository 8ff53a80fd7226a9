"""The estimator: quality against scikit-learn and the truth, mixtures, larger data than memory."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import LatentDirichletAllocation
from tests.unit.algorithms.lda.corpora import bars, topic_error

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lda.model import LDA

DATA = bars(5, 1500)
MODEL = LDA(5).fit(DATA.counts)


@pytest.mark.parametrize("topics", [5, 10])
def test_topics_are_no_worse_than_scikit_learns(topics):
    data = bars(topics, 500, seed=topics)
    peer = LatentDirichletAllocation(topics, random_state=0).fit(data.counts)
    theirs = peer.components_ / peer.components_.sum(axis=1, keepdims=True)
    ours = LDA(topics).fit(data.counts).beta_
    error = topic_error(data.topics, ours)
    assert error < 0.06
    assert error <= topic_error(data.topics, theirs)


def test_mixtures_are_those_of_the_truth_with_exact_zeros():
    order = [np.abs(MODEL.beta_ - topic).sum(axis=1).argmin() for topic in DATA.topics]
    mixtures = MODEL.transform(DATA.counts)[:, order]
    np.testing.assert_allclose(mixtures.sum(axis=1), 1.0, rtol=1e-6)
    assert np.abs(mixtures - DATA.mixtures).sum(axis=1).mean() < 0.1
    zero = mixtures == 0
    assert 0.2 < zero.mean() < 0.5
    # What is said to be absent is hardly there.
    assert DATA.mixtures[zero].mean() < 0.005
    absent = DATA.mixtures < 1e-6
    assert zero[absent].mean() > 0.9


def test_a_document_without_words_has_the_mixture_of_the_prior():
    np.testing.assert_allclose(
        MODEL.transform(np.zeros((1, 25)))[0], MODEL.alpha_ / MODEL.alpha_.sum(), rtol=1e-5
    )
    assert MODEL.transform(np.zeros((0, 25))).shape == (0, 5)


def test_alpha_is_descending_and_has_the_sum_asked_for():
    model = LDA(4, alpha0=2.5).fit(DATA.counts)
    assert model.alpha_.sum() == pytest.approx(2.5, rel=1e-5)
    assert (np.diff(model.alpha_) <= 0).all()
    np.testing.assert_allclose(model.beta_.sum(axis=1), 1.0, rtol=1e-5)


def test_refinement_lowers_the_error_of_the_moments():
    data = bars(10, 1500, seed=2)
    moments = LDA(10, refine=False).fit(data.counts)
    refined = LDA(10).fit(data.counts)
    assert topic_error(data.topics, refined.beta_) < 0.7 * topic_error(data.topics, moments.beta_)


def test_the_score_is_highest_for_the_right_number_of_topics():
    held_out = bars(5, 400)._replace(counts=DATA.counts[:400])
    scores = {
        topics: LDA(topics).fit(DATA.counts[400:]).score(held_out.counts) for topics in (2, 5, 9)
    }
    assert scores[5] > scores[2]
    assert scores[5] > scores[9]


def test_more_topics_than_the_data_has_are_made_up_and_small():
    model = LDA(9).fit(DATA.counts)
    assert model.beta_.shape == (9, 25)
    assert model.alpha_[5:].sum() < 0.4
    nearest = np.abs(DATA.topics[:, None] - model.beta_[None]).sum(axis=2).min(axis=1)
    assert nearest.mean() < 0.15


@pytest.mark.parametrize(
    "counts",
    [
        np.array([[1.0, 2.0, 3.0, 0.0]]),
        np.tile([3.0, 0.0, 2.0, 5.0], (50, 1)),
        np.eye(4)[np.arange(40) % 4],
        np.full((20, 1), 7.0),
        np.full((30, 5), 1e9),
        np.full((30, 5), 1e-3),
        np.vstack([np.zeros((5, 3)), np.ones((9, 3))]),
    ],
)
@pytest.mark.parametrize("alpha0", [0.001, 1.0, 1000.0])
def test_degenerate_documents_still_give_a_model(counts, alpha0):
    model = LDA(3, alpha0=alpha0).fit(counts)
    mixtures = model.transform(counts)
    for each in (model.alpha_, model.beta_, mixtures):
        assert np.isfinite(each).all()
        assert (each >= 0).all()
    np.testing.assert_allclose(model.beta_.sum(axis=1), 1.0, rtol=1e-4)
    np.testing.assert_allclose(mixtures.sum(axis=1), 1.0, rtol=1e-4)
    assert model.alpha_.sum() == pytest.approx(alpha0, rel=1e-4)


def test_dense_and_sparse_documents_and_batches_give_the_same_model():
    dense = LDA(5).fit(DATA.counts.toarray())
    batches = LDA(5).fit_stream(
        lambda: (DATA.counts[first : first + 70] for first in range(0, 1500, 70))
    )
    np.testing.assert_array_equal(dense.beta_, MODEL.beta_)
    np.testing.assert_allclose(batches.beta_, MODEL.beta_, atol=1e-5)


def test_data_larger_than_the_budget_is_read_twice_and_better_than_its_sample():
    passes = itertools.count()

    def source():
        next(passes)
        return (DATA.counts[first : first + 100] for first in range(0, 1500, 100))

    lines = []
    small = LDA(5, budget_bytes=40_000, mini_batch_size=200, report=lines.append)
    small.fit_stream(source)
    assert next(passes) == 2
    assert any("read once more" in line for line in lines)
    sampled = LDA(5).fit(DATA.counts[:: 1500 // 190])
    error = topic_error(DATA.topics, small.beta_)
    assert error < 0.8 * topic_error(DATA.topics, sampled.beta_)
    assert error < 2.0 * topic_error(DATA.topics, MODEL.beta_)


@pytest.mark.parametrize("looks", [1, 3, 6, 10, 25, 40, 80])
def test_a_stop_at_any_time_leaves_a_model(looks):
    asked = itertools.count()
    model = LDA(5, stop_requested=lambda: next(asked) >= looks, budget_bytes=60_000)
    model.fit_stream(lambda: (DATA.counts[first : first + 100] for first in range(0, 1500, 100)))
    assert model.beta_.shape == (5, 25)
    np.testing.assert_allclose(model.beta_.sum(axis=1), 1.0, rtol=1e-5)


def test_errors_name_their_cause():
    with pytest.raises(ClientError, match="no words"):
        LDA(2).fit(np.zeros((5, 3)))
    with pytest.raises(ClientError, match="no examples"):
        LDA(2).fit_stream(list)
    with pytest.raises(ClientError, match="Document 2 has the word count -3"):
        LDA(2).fit(np.array([[1, 2], [1, -3]]))
    with pytest.raises(ClientError, match="no words"):
        MODEL.score(np.zeros((2, 25)))
    with pytest.raises(ValueError, match="expected 25 features, got 3"):
        MODEL.transform(np.ones((2, 3)))
    with pytest.raises(ValueError, match="not been fitted"):
        LDA(2).transform(np.ones((2, 3)))


def test_log_likelihood_counts_words_of_sparse_and_dense_documents_alike():
    dense = MODEL.log_likelihood(DATA.counts[:50].toarray())
    assert MODEL.log_likelihood(sparse.csr_matrix(DATA.counts[:50])) == pytest.approx(dense)
    assert dense[1] == DATA.counts[:50].sum()


def test_more_topics_than_memory_holds_are_named():
    with pytest.raises(ClientError, match="'num_topics' is 3000000000: with so many topics no"):
        LDA(3_000_000_000).fit(DATA.counts[:50])
