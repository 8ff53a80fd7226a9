"""Variational passes: the bound, the prior, repeatability over threads."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma
from scipy.stats import beta as beta_distribution
from tests.unit.algorithms.lda.corpora import bars, topic_error

from sagebrush.algorithms.lda.corpus import Documents
from sagebrush.algorithms.lda.kernel import TopicTable
from sagebrush.algorithms.lda.variational import (
    Topics,
    infer,
    inverse_digamma,
    part_of,
    statistics_of,
    updated,
)
from sagebrush.algorithms.lda.workers import Workers


def pass_over(data, model, workers, **settings):
    parts = [part_of(Documents.of(data.counts), model.alpha)]
    wanted = {"iterations": 20, "tolerance": 1e-5} | settings
    return statistics_of(parts, model, workers, **wanted)


def test_the_bound_lies_closely_below_the_likelihood():
    """The exact likelihood of documents with two topics by numerical integration."""
    topics = np.array([[0.6, 0.3, 0.05, 0.05], [0.05, 0.05, 0.4, 0.5]])
    alpha = np.array([0.4, 0.9])
    counts = np.array([[5, 2, 0, 1], [0, 0, 9, 9], [3, 1, 4, 1], [1, 0, 0, 0]], float)
    _, bounds = infer(
        Documents.of(counts), TopicTable(topics, alpha), iterations=500, tolerance=1e-7
    )
    for document, bound in zip(counts, bounds, strict=True):

        def likelihood(share: float, document=document) -> float:
            words = share * topics[0] + (1 - share) * topics[1]
            return np.prod(words**document) * beta_distribution.pdf(share, *alpha)

        exact = np.log(quad(likelihood, 0, 0.5)[0] + quad(likelihood, 0.5, 1)[0])
        assert exact - 0.35 < bound < exact + 1e-4


def test_passes_raise_the_bound():
    data = bars(5, 400)
    random = np.random.default_rng(0)
    model = Topics(np.full(5, 0.2), random.dirichlet(np.full(25, 5.0), size=5))
    bounds = []
    with Workers(1) as workers:
        for _ in range(12):
            table = TopicTable(model.beta, model.alpha)
            documents = Documents.of(data.counts)
            bounds.append(infer(documents, table, iterations=300, tolerance=1e-6)[1].sum())
            statistics = pass_over(data, model, workers, iterations=300, tolerance=1e-6)
            model = updated(model, statistics, smoothing=1e-6)
    steps = np.diff(bounds)
    assert (steps > -0.05).all()
    assert steps.sum() > 100


def test_the_prior_of_unequal_topics_is_found_and_its_sum_kept():
    random = np.random.default_rng(2)
    truth = np.array([0.8, 0.15, 0.05])
    topics = np.kron(np.eye(3), np.full((1, 8), 1 / 8))
    mixtures = random.dirichlet(truth, size=4000)
    counts = np.array([random.multinomial(80, row) for row in mixtures @ topics])
    model = Topics(np.full(3, 1 / 3), topics)
    with Workers(1) as workers:
        for _ in range(10):
            data = bars(3, 1)._replace(counts=counts)
            model = updated(model, pass_over(data, model, workers))
    np.testing.assert_allclose(model.alpha, truth, rtol=0.2)
    assert model.alpha.sum() == pytest.approx(1.0)


def test_inverse_digamma_is_the_inverse():
    values = np.array([-1e4, -50.0, -3.0, -2.22, 0.0, 1.5, 12.0])
    np.testing.assert_allclose(digamma(inverse_digamma(values)), values, rtol=1e-8, atol=1e-8)


def test_threads_change_only_the_rounding_and_the_same_number_changes_nothing():
    data = bars(5, 600)
    model = Topics(np.full(5, 0.2), 0.9 * data.topics + 0.1 / 25)
    found = []
    for threads in (1, 3, 3):
        with Workers(threads) as workers:
            found.append(pass_over(data, model, workers).counts)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    np.testing.assert_array_equal(found[1], found[2])
    assert topic_error(data.topics, found[0][:, :5].T / found[0][:, :5].sum(axis=0)[:, None]) < 0.1


def test_a_stop_interrupts_a_pass():
    data = bars(5, 50)
    with Workers(2, lambda: True) as workers, pytest.raises(InterruptedError):
        pass_over(data, Topics(np.full(5, 0.2), data.topics), workers)
